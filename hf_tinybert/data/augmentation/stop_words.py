"""Words that carry grammar and not content, which augmentation leaves alone."""

from collections.abc import Mapping
from pathlib import Path

from hf_tinybert.data.text_encoding import read_text

__all__ = ["LANGUAGES", "read_stop_words", "stop_words"]

# Articles, pronouns, prepositions, conjunctions, auxiliaries, negations and question words: a negation that is
# replaced turns a sentence round.
_WORDS: Mapping[str, str] = {
    "en": """
        a about above after again against all am an and any are as at be because been before being below between both
        but by can cannot could did do does doing don down during each few for from further had has have having he her
        here hers herself him himself his how i if in into is it its itself just ll may me might mine more most must my
        myself no nor not now of off on once only or other ought our ours ourselves out over own re s same shall she
        should so some such t than that the their theirs them themselves then there these they this those through to
        too under until up us ve very was we were what when where which while who whom whose why will with without
        would you your yours yourself yourselves
    """,
    "de": """
        aber alle allem allen aller alles als also am an ander andere anderem anderen anderer anderes auch auf aus bei
        bin bis bist da damit dann das dass dasselbe dazu dein deine deinem deinen deiner deines dem den denn der des
        dich die dies diese diesem diesen dieser dieses dir doch dort du durch ein eine einem einen einer eines er es
        etwas euch euer eure für gegen hab habe haben hat hatte hatten hier hin hinter ich ihm ihn ihnen ihr ihre ihrem
        ihren ihrer im in indem ins ist ja jede jedem jeden jeder jedes jene jenem jenen jener jetzt kann kein keine
        keinem keinen keiner können könnte machen man manche mein meine meinem meinen meiner mich mir mit muss musste
        nach nicht nichts noch nun nur ob oder ohne sehr sein seine seinem seinen seiner selbst sich sie sind so solche
        soll sollte sondern sonst über um und uns unser unsere unter viel vom von vor während war waren was weg weil
        weiter welche welchem welchen welcher wenn werde werden wie wieder will wir wird wirst wo wollen wollte würde
        würden zu zum zur zwar zwischen
    """,
    "fr": """
        à au aucun aucune aussi autre aux avec avait avaient avez avoir avons c ce cela ces cet cette ceux chaque ci
        comme d dans de des donc dont du elle elles en encore es est et étaient était été être eu eux fait il ils j je
        jamais l la là le les leur leurs lui m ma mais me même mes moi moins mon n ne ni non nos notre nous on ont ou
        où par pas plus pour pourquoi qu quand que quel quelle quelles quels qui quoi rien s sa sans se sera ses si
        soit son sont sous sur t ta te tes toi ton tous tout toute toutes très tu un une vos votre vous y
    """,
    "es": """
        a al algo alguna algunas alguno algunos ante antes aquel aquella como con contra cual cuando de del desde donde
        dos durante e el él ella ellas ellos en entre era eran es esa esas ese eso esos esta está estaba estado están
        estar estas este esto estos fue fueron ha había han has hasta hay he la las le les lo los más me mi mí mis
        mucho muchos muy nada ni no nos nosotros nuestra nuestro nunca o os otra otras otro otros para pero poco por
        porque que qué quien quién se sea ser si sí sido sin sobre son su sus también tampoco tan tanto te tener tiene
        tienen todo todos tu tú tus un una unas uno unos y ya yo
    """,
    "zh": """
        的 了 着 过 地 得 们 是 在 有 和 与 及 或 而 且 但 也 又 都 就 才 还 很 不 没 无 未 别 非
        我 你 您 他 她 它 这 那 哪 谁
        什 么 怎 吗 呢 吧 啊 把 被 让 给 对 从 到 向 以 于 为 因 由 所 之 其 此
        个 一 会 能 可 要 将 已 再 只 最 更 如 若 则
        我们 你们 他们 她们 它们 这个 那个 什么 怎么 没有 不是 因为 所以 但是 而且 如果 或者 以及 一个 已经 可以
    """,
}

LANGUAGES = tuple(_WORDS)
"""Languages whose words are known."""


def stop_words(language: str) -> frozenset[str]:
    """Gives the words of a language, in lower case; none for `none`.

    Raises:
        ValueError: If there is no list of the language.
    """
    if language == "none":
        return frozenset()
    if language not in _WORDS:
        raise ValueError(
            f"expected a language out of {', '.join(LANGUAGES)} or `none`, got `{language}`; because the words that "
            "are left alone are those of a language; bring a file of them."
        )
    return frozenset(_WORDS[language].split())


def read_stop_words(file: Path) -> frozenset[str]:
    """Gives the words of a file, separated by white space, in lower case.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is empty, or not UTF-8.
    """
    words = frozenset(read_text(file).lower().split())
    if not words:
        raise ValueError(f"expected stop words in `{file}`, got none; bring some, or the language `none`.")
    return words
