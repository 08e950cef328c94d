"""Detectors: networks with their preprocessing, classes and target layer as data.

`detector.py` is the class and `manifest.py` what is stored of one; `storage.py` writes and reads its folder and
`identity.py` tells detectors apart without torch. `registry.py` lists the kinds: the paper's network (`resnet.py`), the
networks of local scores (`local_networks.py`), and those that others made, which `adding.py` adds.
"""
