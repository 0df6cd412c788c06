"""The Ray Serve deployments and the graph over them."""
