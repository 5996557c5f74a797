"""Why a class is not tried on a listener; and how a try is written down in one line."""

from tests.hostile.table import Reason, Try

BY_THE_KERNEL = Reason(
    "The control socket asks for no proof: the file's mode says who may connect, the kernel who did.",
    "控制 socket 不要求证明：谁能连接由文件权限决定，是谁由内核告知。",
)
OURS = Reason(
    "We opened this connection ourselves, over TLS and with our secret: a frame carries no proof and no time.",
    "这条连接是我们自己用 TLS 和密钥打开的：帧里没有证明，也没有时间。",
)
WE_ASK = Reason(
    "It is we who ask there: the answer has no proof, no time and no account of its own.",
    "那里是我们在请求：回答里没有证明、时间和账号。",
)
NO_TIME = Reason("A link has no time in it.", "链接里没有时间。")
NO_HTTP = Reason("It speaks no HTTP.", "它不说 HTTP。")
AIOHTTP_ASKS = Reason(
    "What a host answers is read by the HTTP client with the same limits on lines and fields; the other inputs "
    "are forms of requests.",
    "主机的回答由 HTTP 客户端读取，行和字段的限制相同；其余是请求的形式。",
)
NO_BODY = Reason(
    "A link is only read: no body of a request is looked at.", "链接只供读取：请求体不会被看。"
)
NOT_COMPRESSED = Reason("Nothing is ever decompressed there.", "那里从不解压任何东西。")
OTHER_PORT = Reason(
    "Only the status server trusts names and cookies; the other listeners look at neither.",
    "只有状态服务器看主机名和 cookie；其他入口都不看。",
)


NOT_JSON = Reason(
    "A file is bytes: nobody reads it as JSON, and its text is no message.",
    "文件只是字节：没有人把它当 JSON 读，里面的文字也不是消息。",
)
NO_NAMES = Reason("No names of people or groups come that way.", "这条路上没有人名或群名。")
NO_URLS = Reason(
    "It takes no address that we would ever connect to.", "这里不接受任何我们会去连接的地址。"
)
ONE_ACCOUNT = Reason(
    "What proves the sender names the account too: nothing in the body could contradict it.",
    "证明发送者的东西已经指明了账号：内容里没有什么能与之矛盾。",
)


def tries(*made, want, what="", then=None):
    """Several inputs with the same right outcome: one for ``"401"``, any of several for ``"200 400"``."""
    return tuple(Try(make, frozenset(want.split()), then, what) for make in made)


def wired(request):
    return lambda house: request(house).wire()
