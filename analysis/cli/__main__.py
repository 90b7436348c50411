"""``python -m analysis.cli``: the korder command of this very interpreter."""

from analysis.cli.main import main

if __name__ == "__main__":
    main()
