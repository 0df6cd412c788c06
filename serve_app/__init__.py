"""The HTTP edge: routes, wire formats, settings, and the builder of the Serve application."""
