"""Who may do what: so far, the rule for those who do not say who they are."""
