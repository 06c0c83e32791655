"""Generated sentences with an opinion: one wording for each source of the sample corpus."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Wording:
    """Building blocks of one source's sentences.

    Attributes:
        things: Things that an opinion can be about.
        good: Adjectives of praise.
        bad: Adjectives of complaint.
        loved: Clauses of praise, with ``{}`` for the thing.
        hated: Clauses of complaint, with ``{}`` for the thing.
        asides: Ends of a sentence that reveal nothing about the opinion.
    """

    things: tuple[str, ...]
    good: tuple[str, ...]
    bad: tuple[str, ...]
    loved: tuple[str, ...]
    hated: tuple[str, ...]
    asides: tuple[str, ...]


def _list(words: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in words.split(","))


RESTAURANTS = Wording(
    things=_list(
        "soup, bread, grilled trout, lamb curry, pumpkin risotto, house salad, noodle bowl, apple tart, espresso, "
        "breakfast plate, fish taco, dumplings, terrace, waiter, kitchen, service, wine list, lunch menu, brunch, "
        "tasting menu, mushroom pie, corner table, music, set dinner, iced tea, cheese board, pizza crust, patio"
    ),
    good=_list(
        "delicious, fresh, tender, crisp, flavorful, generous, friendly, attentive, cozy, superb, tasty, perfect, "
        "wonderful, warm, lovely, excellent, quick, juicy, memorable, fantastic, spotless, great, fragrant, amazing"
    ),
    bad=_list(
        "bland, stale, soggy, greasy, overcooked, cold, rude, slow, dirty, salty, rubbery, overpriced, terrible, dry, "
        "burnt, mediocre, disappointing, watery, noisy, awful, tasteless, sticky, careless, undercooked"
    ),
    loved=(
        "I would order the {} again tomorrow",
        "the {} alone is worth the drive",
        "we finished the {} to the last bite",
        "my kids still talk about the {}",
        "nobody in town beats the {}",
        "we tipped double because of the {}",
        "you have to try the {}",
    ),
    hated=(
        "I sent the {} back twice",
        "we waited an hour for the {}",
        "nobody at our table finished the {}",
        "I would not feed the {} to my dog",
        "the {} made me sick",
        "we left because of the {}",
        "save your money and skip the {}",
    ),
    asides=_list(
        "on a Tuesday night, for a party of six, as usual, this time around, at the bar, near the old station, "
        "before the show, after a long hike, for under twenty dollars, on our anniversary, with extra chili, to go"
    ),
)
PRODUCTS = Wording(
    things=_list(
        "headset, charger, battery, screen protector, keyboard, speaker, car mount, zipper, camera, cable, microphone, "
        "hinge, power button, leather case, display, router, tripod, earbuds, backpack, memory card, remote, manual, "
        "adapter, desk lamp, kettle, blender, flashlight, sensor"
    ),
    good=_list(
        "sturdy, reliable, comfortable, loud, clear, handy, solid, lightweight, bright, excellent, responsive, great, "
        "durable, sleek, perfect, quiet, accurate, impressive, flawless, affordable, useful, snug, fast, amazing"
    ),
    bad=_list(
        "flimsy, useless, defective, faulty, cheap, scratchy, weak, broken, unreliable, wobbly, dim, terrible, bulky, "
        "muffled, dead, poor, crooked, loose, disappointing, laggy, brittle, overheated, worthless, awful"
    ),
    loved=(
        "I bought a second {} for my sister",
        "the {} still works after two winters",
        "I use the {} every single day",
        "the {} paired in seconds",
        "I recommend the {} to all my coworkers",
        "the {} does exactly what the box says",
        "five stars for the {}",
    ),
    hated=(
        "I returned the {} within a week",
        "the {} stopped working after a month",
        "the {} fell apart in my hands",
        "I regret buying the {}",
        "the {} never held a charge",
        "do not waste your money on the {}",
        "the {} arrived with a crack",
    ),
    asides=_list(
        "out of the box, with my old phone, at this price, in the garage, on long flights, after the update, "
        "for video calls, as a gift, on the second try, in the rain, at full volume, next to the window"
    ),
)
FILMS = Wording(
    things=_list(
        "plot, lead actor, soundtrack, dialogue, ending, camera work, director, first act, villain, script, pacing, "
        "chase scene, costume design, dubbing, screenplay, love story, animation, remake, cast, opening shot, humor, "
        "final twist, narration, sequel, cinematography, supporting role, courtroom scene, documentary"
    ),
    good=_list(
        "gripping, touching, brilliant, clever, funny, moving, stunning, subtle, convincing, beautiful, masterful, "
        "charming, original, superb, haunting, witty, excellent, thrilling, honest, inspired, great, tense, perfect, "
        "unforgettable"
    ),
    bad=_list(
        "boring, predictable, wooden, pointless, shallow, annoying, clumsy, dull, awful, lifeless, cheesy, confusing, "
        "pretentious, terrible, lazy, tedious, ridiculous, hollow, forgettable, stupid, bland, sloppy, painful, flat"
    ),
    loved=(
        "I cried at the {} and was not ashamed",
        "the {} kept me awake all night thinking",
        "I have watched the {} four times",
        "the {} deserves every award",
        "the whole theater applauded the {}",
        "I could praise the {} for hours",
        "see it for the {}",
    ),
    hated=(
        "I walked out during the {}",
        "the {} put me to sleep",
        "I want those two hours of {} back",
        "even the {} could not save it",
        "the audience laughed at the {} for the wrong reasons",
        "whoever wrote the {} should apologize",
        "avoid it because of the {}",
    ),
    asides=_list(
        "in the second half, for a debut, on the big screen, at the festival, from start to finish, "
        "in black and white, with subtitles, on a rainy Sunday, as in the novel, "
        "despite the budget, at a matinee, without much noise"
    ),
)

_DEGREES = ("", "", "really ", "so ", "very ", "rather ", "quite ", "surprisingly ", "simply ")
_OPENINGS = ("", "", "", "honestly, ", "overall, ", "in short, ", "to be fair, ", "once again ", "for us ")
_ENDS = (".", ".", ".", "!", "...", "")


def sentence(wording: Wording, rng: Random, *, positive: bool) -> str:
    """Make one sentence with the wanted opinion.

    One sentence in sixteen negates the opposite opinion, and one in twenty weighs both, so that counting words is not
    enough for every sentence.
    """
    said, opposite = (wording.good, wording.bad) if positive else (wording.bad, wording.good)
    told = wording.loved if positive else wording.hated
    thing, other = rng.sample(wording.things, 2)
    adjective, contrary, degree = rng.choice(said), rng.choice(opposite), rng.choice(_DEGREES)
    verb, kind = rng.choice(("was", "is")), rng.random()
    if kind < 1 / 16:
        body = f"the {thing} {verb} not {contrary} at all"
    elif kind < 1 / 16 + 1 / 20:
        body = f"the {thing} {verb} {contrary}, but the {other} {verb} {degree}{adjective}"
    elif kind < 0.5:
        body = f"the {thing} {verb} {degree}{adjective}"
    elif kind < 0.7:
        body = rng.choice(told).format(thing)
    elif kind < 0.85:
        body = f"{adjective} {thing} and {degree}{rng.choice(said)} {other}"
    else:
        body = f"{rng.choice(told).format(thing)}, {degree}{adjective}"
    aside = f" {rng.choice(wording.asides)}" if rng.random() < 0.4 else ""
    whole = f"{rng.choice(_OPENINGS)}{body}{aside}{rng.choice(_ENDS)}"
    return whole[0].upper() + whole[1:]
