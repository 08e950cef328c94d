"""`python -m core.images.provenance.credentials_process MIME < FILE`: the manifest store of a file as JSON."""

import contextlib
import io
import sys

# nothing is fetched from the network, whatever addresses the file names
SETTINGS = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_reading": True, "verify_trust": True},
    "core": {"allowed_network_hosts": []},
}
CPU_SECONDS = 5
MEMORY = 2 * 2**30


def main() -> int:
    """Print the JSON and return 0; on a C2PA error, print one line to standard error and return 2."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        # not on every system
        import resource  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    import c2pa  # noqa: PLC0415

    if not hasattr(c2pa, "Context"):
        print("c2pa-python is too old here; pip install -U c2pa-python", file=sys.stderr)
        return 2
    try:
        context = c2pa.Context(c2pa.Settings.from_dict(SETTINGS))
        with c2pa.Reader(sys.argv[1], io.BytesIO(sys.stdin.buffer.read()), context=context) as reader:
            # a console's encoding may lack letters of a name
            sys.stdout.buffer.write(reader.json().encode())
    except c2pa.C2paError as error:
        print(" ".join(str(error).split())[:300], file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
