"""chainrule: gradients of networks in closed matrix form."""
