"""SeaweedFS: master, volume server, filer and S3 gateway in one process; objects are appended to large volume files."""

import json

from stacks.server import NOT_FLUSHED, Credential, Server


def _command(address: str, shift: int) -> tuple[str, ...]:
    return (
        "-logtostderr=true",
        "server",
        "-dir=/data",
        f"-ip={address}",
        f"-ip.bind={address}",
        # What it listens on for gRPC is 10000 above each of these.
        f"-master.port={9333 + shift}",
        f"-volume.port={8080 + shift}",
        f"-filer.port={8888 + shift}",
        # A volume per GiB: a bucket grows several volumes at once, and the default of 30 GiB each outgrows the cell's disk.
        "-master.volumeSizeLimitMB=1024",
        "-volume.max=256",
        # The default keeps 1 % of the disk free by refusing writes; the bench wants the filesystem's own answer.
        "-volume.minFreeSpace=0",
        "-s3",
        f"-s3.port={8333 + shift}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.config=/etc/seaweedfs/s3.json",
    )


def _files(credential: Credential) -> dict[str, str]:
    keys = {"accessKey": credential.access_key, "secretKey": credential.secret_key}
    identity = {"name": "cowbench", "credentials": [keys], "actions": ["Admin", "Read", "List", "Tagging", "Write"]}
    return {"/etc/seaweedfs/s3.json": json.dumps({"identities": [identity]})}


SERVER = Server(
    name="seaweedfs",
    version="4.48",
    image="seaweedfs",
    layout="appended to large volume files, names in a LevelDB",
    feels_driver=False,
    port=8333,
    other_ports=(9333, 19333, 8080, 18080, 8888, 18888, 18333),
    command=_command,
    environment=lambda _: {},
    files=_files,
    quirks=(
        NOT_FLUSHED,
        "A deleted object frees no disk space until its volume is compacted.",
    ),
    # It flushes only below paths that `fs.configure -fsync` names, and the filer's own records not even there.
    flushes_before_answer=False,
)
