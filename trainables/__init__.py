"""GANs as trials: data, networks, losses, tricks and the loop. Knows no study, no metric, and (outside tune.py) no Ray."""
