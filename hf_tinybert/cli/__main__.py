"""`python -m hf_tinybert.cli`."""

from hf_tinybert.cli.app import main

if __name__ == "__main__":
    main()
