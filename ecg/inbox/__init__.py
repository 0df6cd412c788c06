"""The durable inbox: CardioAI messages in, assembled recordings to the analysis, results kept.

It knows neither HTTP nor Ray. An acknowledged message is on disk; a recording gets exactly one result.
"""
