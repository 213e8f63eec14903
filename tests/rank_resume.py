"""A training in parts: ``python rank_resume.py FOLDER OUT EPOCHS BACKEND`` starts or resumes it, and saves parameters.

Checkpoints come every 5 steps, of 7 an epoch, so that most are in the middle of one.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
from rank_work import collect, make_data, make_net

import bpx

warnings.filterwarnings("ignore", message=".*ranks share the|.*is bound to one|.*of them have none|.*was written on")


def main() -> None:
    folder, out, epochs = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    net = make_net("classes", sys.argv[4])
    x, y = make_data("classes")
    log = folder.parent / "log.jsonl"
    stop = bpx.EarlyStopping("validation_loss", patience=3)
    history = net.fit(
        x, y, epochs=epochs, batch_size=8, validation_data=(x[:9], y[:9]), callbacks=[bpx.JSONLinesLog(log), stop],
        checkpoint=folder, resume=folder, checkpoint_every="5 steps", keep=None, distributed=True, progress=False,
    )  # fmt: skip
    np.savez(out / f"resumed.{bpx.distributed.rank()}.npz", **collect(net, history, history, x, y, True))


if __name__ == "__main__":
    main()
