"""How the small model of the package is made: data, augmentation, network, figures and the file that is shipped.

Not part of the installed service. `python -m training.small --help` starts it; `python -m training.distil --help`
teaches the same network from the published one.
"""
