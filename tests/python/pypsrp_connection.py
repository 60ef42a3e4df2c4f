"""What the scripts that drive pypsrp share: the connection that a job describes."""

from urllib.parse import urlsplit

from pypsrp.wsman import WSMan


def connect(job, **options):
    """A connection to job["url"] as job["username"] by job["auth"]; `encryption` of the job and `options` are pypsrp's own."""
    url = urlsplit(job["url"])
    if "encryption" in job:
        options["encryption"] = job["encryption"]
    return WSMan(
        url.hostname,
        port=url.port,
        path=url.path.strip("/"),
        ssl=url.scheme == "https",
        auth=job["auth"],
        username=job["username"],
        password=job["password"],
        **options,
    )
