"""A core for tests that starts a worker again at once, however often one has died.

``python impatient_core.py SOCKET MODEL [PROGRAM]``; otherwise it is what ``uncodec core start``
starts. PROGRAM is run in the place of a worker. SIGTERM ends it.
"""

import signal
import sys
from pathlib import Path

from uncodec.bridge import worker_process as workers
from uncodec.bridge.supervisor import Supervisor

if __name__ == "__main__":
    path, model, *program = sys.argv[1:]
    workers.FIRST_WAIT_S = workers.LONGEST_WAIT_S = 0.05
    workers.PROGRAM = program or workers.PROGRAM
    supervisor = Supervisor(Path(path), model=model, any_name=True, load_limit=None)
    signal.signal(signal.SIGTERM, lambda *_: supervisor.stop())
    supervisor.run()
