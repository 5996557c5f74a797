"""A webhook of ours for real processes: it answers as it is told, and keeps what it got."""

import json
import threading
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Receiver:
    """``answers`` are statuses for the next requests, then ``status``; ``got`` the texts of 200s."""

    url: str = ""
    status: int = 200
    answers: list[int] = field(default_factory=list)
    got: list[str] = field(default_factory=list)
    asked: int = 0


@contextmanager
def a_receiver(*answers, status=200):
    """A thread that serves until the end of the context."""
    receiver = Receiver(answers=list(answers), status=status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            receiver.asked += 1
            answer = receiver.answers.pop(0) if receiver.answers else receiver.status
            if answer == 200:
                receiver.got.append(body["text"])
            self.send_response(answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def post(url, text, name):
    """As a program calls the bridge; the status of the answer."""
    request = urllib.request.Request(
        url, json.dumps({"text": text, "sender": {"name": "ci"}}).encode(), {"webhook-id": name}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status
