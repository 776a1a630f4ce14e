"""python -m dlslime_torch.cli, where no script is installed."""

from dlslime_torch.cli import main

main()
