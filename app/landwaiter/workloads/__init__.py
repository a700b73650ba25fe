"""Every image use of a Pod or of a template, with the JSON path at which it stands."""
