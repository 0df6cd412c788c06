"""The Ray Serve deployments and the graph over them."""

from deployments.ray_ports import stay_on_loopback
from deployments.serve.log_records import hide_messages

# Every process that works on a request imports this package, whichever of its modules it needs, before it serves.
hide_messages()
stay_on_loopback()
