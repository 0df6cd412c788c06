"""`python -m ecg` is the `ecg` command."""

if __name__ == "__main__":
    try:
        from ecg.cli import main
    except KeyboardInterrupt:  # while modules were loaded
        raise SystemExit(130) from None
    raise SystemExit(main())
