"""Labelled texts in several languages, including short and unusual ones."""

from collections.abc import Sequence

Pairs = list[tuple[str, str]]
_PARTS: dict[str, tuple[Sequence[str], Sequence[str], Sequence[str], tuple[str, str], str]] = {
    "en": (
        ["The soup", "The crust", "Our waiter", "The room", "This place", "Dessert"],
        ["was great, really", "made us happy", "is worth a visit"],
        ["was cold and stale", "took an hour, no excuse", "is not worth it"],
        ("good", "bad"),
        " ",
    ),
    "de": (
        ["Die Suppe", "Das Gebäck", "Unser Kellner", "Das Zimmer", "Dieser Ort", "Der Nachtisch"],
        ["war großartig, wirklich", "hat uns glücklich gemacht", "ist schön"],
        ["war kalt und übel", "kam spät, ohne Entschuldigung", "taugt gar nichts für Gäste"],
        ("gut", "übel"),
        " ",
    ),
    "ru": (
        ["Суп", "Пирог", "Официант", "Номер", "Это место", "Десерт"],
        ["был отличный, правда", "нас очень порадовал", "стоит попробовать"],
        ["был холодный и невкусный", "ждали целый час", "того не стоит"],
        ("хорошо", "плохо"),
        " ",
    ),
    "zh": (
        ["这家餐厅的汤", "他们的点心", "服务员", "房间", "这个地方", "甜点"],
        ["非常好，味道不错", "让我们很开心", "值得一去"],
        ["又冷又难吃", "等了一个小时，没有道歉", "完全不值这个价"],
        ("好评", "差评"),
        "",
    ),
    "ja": (
        ["この店のスープは", "パンは", "店員さんは", "部屋は", "この場所は", "デザートは"],
        ["とても美味しかったです", "最高でした、また行きます", "本当に素晴らしい"],
        ["冷たくてまずかった", "一時間も待たされました", "もう二度と行きません"],
        ("良い", "悪い"),
        "",
    ),
    "th": (
        ["ซุปร้านนี้", "ขนมปัง", "พนักงาน", "ห้องพัก", "ที่นี่", "ของหวาน"],
        ["อร่อยมากจริงๆ", "ทำให้เรามีความสุข", "คุ้มค่าที่จะมา"],
        ["เย็นและไม่อร่อย", "ต้องรอนานมากเป็นชั่วโมง", "ไม่คุ้มค่าเลย"],
        ("ดี", "แย่"),
        "",
    ),
    "ar": (
        ["الحساء", "الخبز", "النادل", "الغرفة", "هذا المكان", "الحلوى"],
        ["كان رائعا، حقا", "أسعدنا كثيرا", "يستحق الزيارة"],
        ["كان باردا وسيئا", "تأخر ساعة كاملة", "لا يستحق المال"],
        ("جيد", "سيئ"),
        " ",
    ),
}
_ODD = [
    'He said "fine", then left',
    '"Best" in town',
    "Two lines:\nthis is the second",
    "A semicolon; a comma, a pipe | and so on",
    "C:\\menu\\today is a backslash or two",
    "  blanks around  ",
]


def rows(language: str, *, odd: bool = False) -> Pairs:
    """Return 36 labelled texts and, with ``odd``, more texts with quotes, line feeds and the like."""
    subjects, good, bad, (plus, minus), blank = _PARTS[language]
    found = []
    for at, subject in enumerate(subjects):
        for ends, label in ((good, plus), (bad, minus)):
            found += [(f"{subject}{blank}{end}", label) for end in ends]
        if odd:
            found.append((_ODD[at], (plus, minus)[at % 2]))
    return found


def numbered(pairs: Pairs) -> Pairs:
    """Return the same texts with the labels 1 and 0."""
    first = pairs[0][1]
    return [(text, str(int(label == first))) for text, label in pairs]
