"""Runs the command line."""

import sys

from machete.generator.cli import main

sys.exit(main())
