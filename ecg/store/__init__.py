"""The durable store: recordings, who works on them, and their results.

It knows neither messages nor HTTP nor Ray. A recording gets exactly one result. Rooms that bring recordings, such as
`ecg.cardioai`, keep their own tables beside it in one database and say how a recording is loaded.
"""
