"""`python -m dandang`."""

from dandang.cli import main

if __name__ == "__main__":
    main()
