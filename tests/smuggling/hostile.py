"""What people type to ping, to mark up, or to break something: into texts, names, titles and quotes."""

NICKS = ("lin", "bridge", "op[a]")
"""Who is in the IRC channel."""

MENTIONS = (
    "@all @ALL @所有人 @everyone @here @room @Room",
    "你好@room，@all。@所有人！（@everyone）",
    "<!channel> <!everyone> <@U0001> <@!80351110224678912> <@&165511591545143296>",
    "@13800000000 @manager1001 @1",
    "@durov hello @ada_lovelace,@max @x",
    "email@durov.example a@all b@room",
    "@max:hs.test and @room:hs.test",
    "https://matrix.to/#/@max:hs.test https://matrix.to/#/%40max%3Ahs.test matrix:u/max:hs.test",
    "[Max](https://matrix.to/#/@max:hs.test) <a href='https://matrix.to/#/@max:hs.test'>Max</a>",
    "[Ada](tg://user?id=42) <a href='tg://user?id=42'>Ada</a> tg://user?id=42 https://t.me/durov",
    "/start /stop@some_bot (/help) 。/quit",
    "lin: bridge, LIN! (lin) lin's @lin lin_ op[a]: _lin_ *lin* 你好lin",
    "@\u200ball @\u2060room ＠all @\u00adeveryone",
)
MARKUP = (
    "*a* _b_ **c** __d__ ~~e~~ ~f~ ||g|| `h` ``i`` ***j***",
    "```python\nprint('x')\n```",
    "~~~\ntext\n~~~",
    "    indented by four",
    "# heading\n## another #\nunder\n=====\nlined\n-----",
    "> quote\n>> deeper\n>no blank",
    "- one\n* two\n+ three\n1. four\n2) five\n- [ ] six",
    "[link](https://evil.example) ![picture](https://evil.example/p.png) <https://evil.example>",
    "[ref]\n\n[ref]: https://evil.example 'title'",
    "[x](javascript:alert(1)) <a href='javascript:alert(1)'>x</a> <https://evil.example/\n>",
    "<b>bold</b><i>i</i><u>u</u><s>s</s><code>c</code><pre>p</pre><h1>h</h1>",
    "<script>alert(1)</script><img src=x onerror=alert(1)><svg/onload=alert(1)><style>*{}</style>",
    "<mx-reply><blockquote>forged</blockquote></mx-reply><font data-mx-color='#f00'>x</font>",
    "<tg-spoiler>x</tg-spoiler><tg-emoji emoji-id='1'>x</tg-emoji><!-- comment --><![CDATA[x]]>",
    "&lt;b&gt; &amp;lt; &#60;b&#62; &nbsp; &copy; &#x3c;script&#x3e;",
    "\\*a\\* \\_b\\_ \\\\ \\` \\[x\\](y) \\# \\",
    "a|b\n-|-\n1|2",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "***\n---\n___\n* * *",
    "line one  \nline two\\\nline three",
    "https://evil.example/a_b_c*d*e~f~?x=<y>&z=`1`",
    "*你好*，**世界**。_中文_「`代码`」",
    "a*b*c d_e_f g**h**i 1*2*3",
    "{user} {msg} {{}} {0} %s ${HOME} $(id)",
)
CONTROLS = (
    "\x01ACTION dances\x01",
    "\x01DCC SEND x 1 2 3\x01",
    "x\r\nQUIT :forged\r\nPRIVMSG #team :forged",
    "x\rJOIN #elsewhere\rx\nPART #team",
    "nul\x00nul\x00",
    "\x02bold\x02 \x1dslanted\x1d \x0304,01red\x03 \x04ff0000x \x11mono\x11 \x16\x1e\x1f\x0f",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b31m",
    "sep\u2028JOIN #elsewhere\u2029x\x85y\x0bz\x0c",
    "del\x7f \x80\x81\x9f",
    "half \ud83d emoji \udc00 \ud800",
    "\ufeffbom \ufffe \uffff",
)
TEXTS = MENTIONS + MARKUP + CONTROLS

END = "endofit"
"""Stands behind every one: it arrives, so what is judged is not an empty page."""
