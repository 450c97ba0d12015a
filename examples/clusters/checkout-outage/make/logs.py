"""Writes the logs of the story: no program runs in a simulated container, so what these would have said stands here.

Each line begins with the moment at which a kubelet would have read it, as `kubectl logs --timestamps` prints it.
"""

import datetime, random, shutil

MINUTE = datetime.timedelta(minutes=1)


def at(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def spread(dice, begin, end, lines):
    """Stamps the lines evenly between two moments."""
    step = (end - begin) / (len(lines) + 1)
    for number, line in enumerate(lines, 1):
        moment = begin + step * (number - dice.random() * 0.6)
        yield f"{moment.strftime('%Y-%m-%dT%H:%M:%S.%f')}{dice.randrange(1000):03d}Z {line}"


def checkout(dice):
    return ['level=info msg="checkout 2.14.0 (a41c9e7) starting" go=go1.26.8',
            'invalid value "5" for flag -payment-timeout: parse error',
            "Usage of serve:",
            "  -listen string", '    \taddress to listen on (default ":8080")',
            "  -payment-timeout duration", '    \tlongest wait for the payment provider, such as 5s or 500ms (default 5s)']


def worker(dice):
    lines = ['level=info msg="worker 1.31.2 starting" queue=payments batch_size=5000 gomemlimit=unset',
             'level=info msg="connected to payments-db" host=payments-db.payments.svc pool=4',
             f'level=info msg="queue depth" ready={dice.randrange(180_000, 260_000)}']
    heap = 31
    while heap < 251:
        lines.append(f'level=info msg="batch prefetched" messages=5000 heap_mib={heap}')
        heap += dice.randrange(34, 48)
    return [*lines, 'level=warn msg="heap is close to the container limit" heap_mib=251 limit_mib=256']


def export(dice):
    return ['INFO  settlement-export 3.2.0', 'INFO  collecting settlements of 2026-11-26', f'INFO  {dice.randrange(41_000, 43_000)} settlements in 1 file, 18.4 MiB',
            'INFO  uploading to s3://settlements-prod/daily/2026-11-26.csv.zst',
            'ERROR upload failed: AccessDenied: User arn:aws:sts::000000000000:assumed-role/settlement-export is not authorized to perform s3:PutObject',
            'ERROR giving up after 3 attempts']


def frontend(dice):
    kinds = ['level=info msg=request method=GET path=/ status=200 ms={ms}', 'level=info msg=request method=GET path=/product/{n} status=200 ms={ms}',
             'level=info msg=request method=GET path=/cart status=200 ms={ms}',
             'level=error msg=request method=POST path=/checkout status=503 ms={ms} error="upstream http://checkout.shop.svc: connection refused"',
             'level=error msg=request method=POST path=/checkout status=503 ms={ms} error="upstream http://checkout.shop.svc: connection refused"']
    return [dice.choice(kinds).format(n=dice.randrange(1000, 9999), ms=dice.randrange(4, 90)) for _ in range(40)]


def ingress(dice):
    return [f'[error] {dice.randrange(28, 34)}#{dice.randrange(28, 34)}: *{dice.randrange(100_000, 999_999)} no live upstreams while connecting to upstream, '
            'server: www.shop.example, request: "POST /checkout HTTP/2.0", upstream: "http://shop-checkout-http/checkout", host: "www.shop.example"' for _ in range(20)]


def cart(dice):
    return [f'level=info msg=request method={dice.choice(["GET", "PUT"])} path=/cart/{dice.randrange(10**6):06d} status=200 ms={dice.randrange(2, 40)}' for _ in range(30)]


def postgres(dice):
    return [f'LOG:  checkpoint complete: wrote {dice.randrange(800, 4000)} buffers; 0 WAL file(s) added; write={dice.randrange(20, 90)}.{dice.randrange(1000):03d} s' for _ in range(6)]


ENDED = {"checkout": checkout, "payments-worker": worker, "export": export}
RUNS = {"frontend": frontend, "ingress-nginx": ingress, "cart": cart, "payments-db": postgres}


def write(out, pods, now):
    shutil.rmtree(out / "logs", ignore_errors=True)
    for pod in pods:
        meta, box = pod["metadata"], pod["spec"]["containers"][0]
        status = next(iter(pod["status"].get("containerStatuses", [])), {})
        dice = random.Random(meta["uid"])
        folder = out / "logs" / meta["namespace"] / meta["name"]

        def save(name, begin, end, lines):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("\n".join(spread(dice, begin, end, lines)) + "\n")

        ended = status.get("lastState", {}).get("terminated") or status.get("state", {}).get("terminated")
        running = status.get("state", {}).get("running")
        if box["name"] in ENDED and ended:
            lines = ENDED[box["name"]](dice)
            # A waiting container's log is that of its last instance.
            names = [f"{box['name']}.previous.log"] if running else [f"{box['name']}.log"]
            if "lastState" in status and status["lastState"] and not running:
                names.append(f"{box['name']}.previous.log")
            for name in names:
                dice = random.Random(meta["uid"])
                save(name, at(ended["startedAt"]), at(ended["finishedAt"]), lines)
            if running:
                begin = at(running["startedAt"])
                share = (now - begin) / datetime.timedelta(seconds=40)
                save(f"{box['name']}.log", begin, now, lines[: max(1, int(len(lines) * min(share, 0.8)))])
        elif box["name"] in RUNS and running and pod["spec"]["nodeName"] != "node-c2":
            save(f"{box['name']}.log", max(at(running["startedAt"]), now - 9 * MINUTE), now, RUNS[box["name"]](dice))
