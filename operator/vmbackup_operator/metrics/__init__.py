"""What the operator tells Prometheus: which metrics there are, and what each is at a moment.

The health endpoint asks `exposition` for the text of /metrics. Everything but what one process has
asked of Azure is computed from the picture of the objects, so that another leader, or the same one
started again, tells the same. Nothing here asks anybody for anything, and nothing is changed.
"""
