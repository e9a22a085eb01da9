"""Training on real data: plain stochastic gradient descent, checkpoints that survive a crash, one picture.

`train(net, "digits", out="run")` is the entry point. The rest is for those who want a part of it: `load_data`
for the samples, `descend` for the loop, `save_checkpoint` and `read_checkpoint`, `save_picture`. scikit-learn,
matplotlib and safetensors are imported when first used; `pip install 'chainrule[demo]'` brings them.
"""

from chainrule.training.checkpoint import Checkpoint, Record, read_checkpoint, save_checkpoint
from chainrule.training.data import Dataset, load_data
from chainrule.training.loop import Settings, descend
from chainrule.training.pictures import save_picture
from chainrule.training.run import Outcome, train

__all__ = [
    "Checkpoint",
    "Dataset",
    "Outcome",
    "Record",
    "Settings",
    "descend",
    "load_data",
    "read_checkpoint",
    "save_checkpoint",
    "save_picture",
    "train",
]
