"""The words of which a device's statements and filter settings are made: a text of any other word may name a person.

Which texts of a file name a person cannot be told from a list of phrases ("Confirmed by", "Validé par", a bare name).
What can be told is that a text consists of nothing but the terms of electrocardiography, in the languages that devices
print. Such a text is shown, every other is left out and said to be left out.
"""

import re
import unicodedata

_WORD = re.compile(r"[^\W\d_]+")
_LEAST = 4  # letters of a word that only begins as a term
_IN_STEMS = """
aberr abflach abnorm accelerat acut adversely affect afwijk aigu akut alargad aleteo allong allung alterac alterat
alteraz alternan amplitud analys ancien anom anorm anter antig apic arrest arrhythm arritm artefa artefact artifact
aspec aspecif assum athlet atria atrio atrium atypi auffall auric available avvik axial axis baix bajo basal baseline
basso belast benign biatr bidirect bifasc bifoc bigemin biphas bivent bloc blocco block blok bloque boezem border
bradia bradic bradik bradya bradyc branca branch breit breve brugada bundel bundle cannot capture cardia cardio
chamber chang chron coeur communic compared compat compen compl conduc confluent consid consist contra controlled
coron corto coupl criter cuore curto decal decrease defect defin degr delay delta demand depol depress derech derivac
destr desvi determ deux deviac deviat deviaz dextrocard diastol diffus digital digox dilat direit disease dissoc
disturb doppel droit duration dynam ectop effec effett ekgs electr elett elev embol emphysem enlarg entrain epsil
erreg erste escap esper esquerd evident evolv excess excit exclu exten extra extrem fasc femal female fibril fladder
flatten flimm flut focal forandring forhoj forlang formak forst frecu frequ frisch fusion gauche geleid gradi grado
grenz hebung hemib hinterw hiper hipert hjert hoher hojn hojre horiz hoyre hyper hyperac hypo idio ilbbb immed imped
impuls incompl increase indetermin indiff inespec infant infarct infarkt infart infer injur inkompl insuff interf
interpol interpretation interv intra inver iperp ipert irbbb irreg iscem isch iskem isol isqu izquierd joven junct
juven kammar kammer kardi kompl langs langsam lateral leads ledn leicht leit lesion levo limit linie linker linksa
linksp linkss linkst linksv localiz longer lungo malign manual marcap marked masked mediu micro minim missing mitral
mittel mobitz moder modif mogel mogl moglich mojl multif multip musc muscle myocard narb narrow necr negat newborn
nicht nied nodal nodul noise nonsp nonspec nonsus normaal normal normo notch occas onda onde onderwand ondul onorm
osborn ospec overload paced pacem pacer pacing paediat pair papill parie parkinson parox parti partial passag patho
patolog pattern paus pediat pericard permanent persist phase physiol plateau please pointed poor posib posit possib
possiv potass praex precord preex prem presen previous primary primer prob progr progress prolong promin provav pseudo
pulm qualit quest rapid ratio recent rechter rechtss rechtst rechtsv recien recip recording reduc reent regel regul
relat repeat repol requires resid resolv respir respons reti retr revers rhyth right rilev ripol ritme ritmo rota
rotat ruck rythm rytm sagit salv sankn sannolik schenk schmal schnell schrittm schwer second secund segm sehr seiten
sekund senk sensing septal septu septum sequ serial severe signif signific sinistr sinoatr sinoauric sinus skank
slight slurr snabb sobrecarg sopra soprasl sosp sotto specif spike spontan standard statement stehen stemi stimul
stoorn storung strain strecke strong struct subend subep sugg supera superi supra suprav surch surcharg susp sust
syndrom syst tachi tachy takblok taqui tards technical technique terc terminal terz thick third three throm tidig
timing tipic tors total trace tracing trans transit tratto trif trigem troubl trouble tweede typique typisch uberdr
unaff unconfirmed uncontrolled undef undetermin unif unifoc unknown unless unspec unspez unsuit unten unusual unvollst
uspes value vanster vari vector venstre ventr verdacht verkurz verlang verlangs vertr verzog vollst volt voltag volts
voorwand vorder vorhof waar wahrsch wander warning wave welle wenckeb wolff zacke zeit zweit
"""
#: Beginnings of words of at least four letters, without accents.
_STEMS = tuple(_IN_STEMS.split())
_IN_WHOLE = """
otherwise
a ab abn acs acute ad adult af afib aflut age aged aiv aivr akse al all alle also alt am ami an and any are arm arms
as at au auf aus aux av avb avf avl avn avr awmi aws axe axel bas basal base bav bbb bbd bbg be beat beats bei bpm bra
brd broad bu but by c ccw chest clock cm co com con cor cw d da das data de deep deg del della dello den der des det
di die din does dos drug du dual due e each early ecg ecgs ed een eg eine einer eixo eje ekg el ele eller em en entre
er es est et etwa eu f fa fehlt first fl flat flattened flattening for found four free from fur g gammal gli graad
grad grand grau ha has have hb hbp hemi het hi high hoch hog hoog hr hypertrophie hz i if ii iii ikke il im in inf
inte into is ischaemia it its iv ivb ivcd j jp jt k kein keine kg kurz l la laag lad lae lafb lag lage lah lahb lang
large las lat late later lbbb lca lcx le lead leads left leg len les lgl limb line links lmca lo long los low lower lp
lpfb lphb ls lv lvh m main male max may mean med met mi mid mild min minor mit mm more most ms msec mss multi mv mvs
my n na nach near need nel new nicht nie no non nor norm not now nsr nss nst nstemi nstt nur o ob oben och oder of og
ohne old om on one op or other ou oud out over p pac pacs pain pair para pared parete part pas pat peak peaked per pf
pg plus poor pos poss post pour pp pq pr prior prv pt pvc pvcs pvt px q qr qrs qrsd qrst qs qt qtc qtcb qtcf qtd r rad
rae rama ramo raq rate rav ravf ravl rbbb rca rechts report rr rs rsr rsrp rule run runs rv rve rvh rvhs s sa sab
salve same san sans sec see sem sen senza sequelle set short si sick sin since slow small snel so som sono sos sous ss
st std ste steil still stj stt sub sui super sur sus sv sve sves svt t tak tall term than that the there they this til
time times to tot tra trop tt tu two typ type types typical u uber ud ue um uma un una und une unos up utan uten v va
vag vagt ve ves vf vg vga vh vi vo vom von vor vpb vpc vpcs vr vs vsd vt w wall wand was wcd weak were when white wide
with without wpw x xi xqrsd y yes your yrs z zu zum zur
"""
#: Whole words that are shorter, or that would be too common a beginning.
_WHOLE = frozenset(_IN_WHOLE.split())
_IN_FILTER = """
ac adaptive ad and band baseline bef bessel bpf butterworth cubic cutoff db dc dec digital filter filtered
for from high highpass hp hpf hum hz in iir fir khz line linear low lowpass lp lpf mains mhz ms muscle n
network no none not notch of off on or oct order pass phase report s sec spline stop to true false
wander yes zero
"""
_FILTER = frozenset(_IN_FILTER.split())


def is_statement(text: str) -> bool:
    """Whether a text consists of terms of electrocardiography only, so that it can name no person."""
    return all(_is_term(word) for word in _words(text))


def is_filter_setting(text: str) -> bool:
    """Whether a text consists of numbers and of words on filters only."""
    return all(word in _FILTER for word in _words(text))


def _words(text: str) -> list[str]:
    """Words in lower case and without accents."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("ø", "o").replace("æ", "ae"))
    return _WORD.findall("".join(letter for letter in plain if not unicodedata.combining(letter)))


def _is_term(word: str) -> bool:
    return word in _WHOLE or (len(word) >= _LEAST and word.startswith(_STEMS))
