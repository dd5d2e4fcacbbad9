"""Files that were written once and must load for ever, with or without PyTorch at hand."""

from __future__ import annotations

import base64
import io
import zlib

import rushlight
from rushlight.serialization import load

# torch.save of PyTorch 2.13.0: an OrderedDict of six tensors, two of them sharing memory, a Parameter, two values.
PYTORCH_2_13 = (
    "c-o~_OKclO7#@2a+ql7bP)M3Wc$9|=iQ`>A)26YzDNE5J5sZ+mUaXD1$!@#$`d^PzsDu;=B`t8FsBlDZ;DFQ{2RI=FH*Oqy>x~2A#0??"
    "Afq6LY&PJ|jJ@)Ks$N%@3$Nzgbbt!^SJdTdEX*7!ruVLA{=1SARM!Ivw(bOcmB(%No`+!ol2?A)jP1Au;qv1M^*}%5j?k3*!nx<zqFW3"
    "#7fbi)mNU2(s#9lS+9ScLGfn6ezuJ^F*bQ5*Y-0Im*vyRPn*Y)bVN&+TQsalL6x+K!rF(Jw!3C(d0{5Bs<K&%!bF&T*0Byw+bdhm!I#g"
    "KSQM|xP74&azB>7fId{LrE<9>tKX!W6TDdtTdY!n8${tf&>U;ugcsP^_ef4`5agQHsYn_Be*etMEjPEE}>6XB*}?vhV9685-D{XSQTGK"
    "`6r*7MPuVIH`yB;Ym*S6o$nrJY5Tuz^!d~Mj%t!Eak$0@L5Kvz;m4NRG;v9O85dNd=bM-RY);^Eu(t{PK%VT>kQ~#W^`G2h0`td>6R&7"
    "n$xXd$W%dQf!9D0xHjBY$1&d(w<60zbC4sPAq;uSN$3jnQskT^469W*(_@hxI6LGNbPUgEnb`Cauy(jR43dX)oP51cUZ$4{CqIutt-{6"
    ")_Hf}kyjlf~olmplHY|8em)O#@2{l|~%l`8>@Om%3smJ1PNOwQ}g$&WYIW#lokUYqY^tS7@3|!wey)HTNnz|fFkP%I$vfurA_X9dF+K0"
    "<7pyEB*emc|*$KGkT%r@54?1L%uR>)BU<*V=qU5W604a}hOz`)jf*mP-fYwFpD(LHRAjj>}=5BukSJ3;d?dS4Gov@TSom5ipI8N&c)-7"
    "Awzg?vfhBmK(?bu{<M?>Fbk5A!1&Es2g~O-=o8M`SubQmw+BJGbbujEvB#h+2xKu8p(&m&nZ7To*q2>$8W@&yK4fLR9^SQ$N*4pT8thM"
    "fIGfu8*Zo_n+@Qb+P+(IZb8bBV4SBF7ldMLgVOD?aP<Hx;=XRr+gVWs5oQgUp7J2fBj<Tozd&Rh?IK;h)um~dN!#**9`h^U$>i@ntnht"
    "vQjAJ3&reeVYQGWAEhA6nNlVv=aj5mEM*l%E@n#kRqFC&<?nw}#7By`3{kTKpZ>}{eZ+b2Jtm0u7vMRu=t^i<tq+p;i|B$ta??+8q;dy"
    "&{Dp8v;F*n}qXjq!_gAf?0RKFK0<|-U^;aPgo0<q<<sjByK}77WAXW)t{rN9qk4FR8Y!K_uS`qtc5St5P{aGhs=VJkEK8W?_%#=7^A9l"
    "!D@gL<yagXC@M3Qal(dg1)N=nNE<YeIfPnh4o?`skqeUV1r9^=paZDS(JF_SEw$NmSX9lGr"
)


def unpacked(text):
    return io.BytesIO(zlib.decompress(base64.b85decode(text)))


def test_pytorch_2_13():
    found = load(unpacked(PYTORCH_2_13))
    model = found["model"]
    assert (found["epoch"], found["name"], type(found["p"])) == (3, "é", rushlight.nn.Parameter)
    assert model["weight"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert model["turned"].stride() == (1, 3)
    model["weight"][0, 1] = 9.0
    assert model["turned"].tolist() == [[0.0, 3.0], [9.0, 4.0], [2.0, 5.0]]
    assert model["half"].dtype is rushlight.float16
    assert model["half"].tolist() == [1.5, -2.0]
    assert model["bf"].dtype is rushlight.bfloat16
    assert model["bf"].float().tolist() == [1.0, 2.0]
    assert model["mask"].tolist() == [True, False]
    assert model["z"].tolist() == [1 + 2j]
