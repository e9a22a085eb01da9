"""The one algebra: expressions in index notation, programs of named equations, function records."""
