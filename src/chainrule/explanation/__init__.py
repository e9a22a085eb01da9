"""Why a gradient is what it is: its derivation as steps, each with the identity or rule that justifies it."""
