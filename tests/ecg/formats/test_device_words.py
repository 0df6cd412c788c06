"""Which texts of a device file are shown: terms of electrocardiography in the languages of devices, and no name."""

import pytest

from ecg.formats.device_file import filters_of, statements_of, withheld
from ecg.formats.device_words import is_filter_setting, is_statement

STATEMENTS = """
Sinus rhythm
Normal sinus rhythm
Otherwise normal ECG
*** Poor data quality, interpretation may be adversely affected
Left ventricular hypertrophy with repolarization abnormality
Cannot rule out Anterior infarct , age undetermined
Marked ST abnormality, possible inferior subendocardial injury
Wide QRS rhythm with premature ventricular complexes in a pattern of bigeminy
AV sequential or dual chamber electronic pacemaker
Nonspecific intraventricular conduction delay QRSd >115mS, not LBBB/RBBB
Inferior infarct, acute (LCx) ST>0.10mV, II III aVF, STd V1-V3
>>> Acute MI <<<
PROBABLE LEFT VENTRICULAR HYPERTROPHY (RaVL+SV3)xQRSd >280
ANTERIOR ST ELEVATION, PROBABLY DUE TO LVH ST >0.20 mV in V1-V4 & LVH
Suspect arm lead reversal, interpretation assumes no reversal
Masked by fascicular block?
No previous ECGs available
RITMO SINUSALE
Bloqueio de ramo direito
Bloqueo de rama izquierda
Bloc de branche droit complet
Trouble de repolarisation
Infarctus inférieur ancien
Überdrehter Linkstyp
Linksanteriorer Hemiblock
Rechtsschenkelblock
Vorhofflimmern
Linksventrikuläre Hypertrophie
sinusrytm (långsam)
hög P-amplitud
normal EKG-variant
Förmaksflimmer
Linker bundeltakblok
""".strip().splitlines()

NAMES = """
Zebedeus
Confirmed by SMITH
Referred by: Zebedeus
Reviewed by Li
Over-read by Dr. Lee
Overread: Johnson
Interpreted by ZORBLATT
Read by Zorblatt
By: ZORBLATT
Attending: Zorblatt
Technician: X
Electronically signed
JOHN SMITH, MD
ZORBLATT, ANNA (24) on 3/4/2020
Validé par Zorblatt
Lu par Dupont
Confirmado por Zorblatt
Laudado por Silva
Letto da Rossi
Befundet von Schmidt
Godkänd av Svensson
Bevestigd door Zorblatt
Tolket af Jensen
Opisał Kowalski
王伟
Compared with ECG of Zorblatt
Sinus rhythm, Zorblatt
Norman Brandt
""".strip().splitlines()


@pytest.mark.parametrize("text", STATEMENTS)
def test_a_statement_about_the_heart_is_shown(text: str) -> None:
    assert is_statement(text)


@pytest.mark.parametrize("text", NAMES)
def test_a_text_that_may_name_a_person_is_not(text: str) -> None:
    assert not is_statement(text)
    shown = statements_of(["Sinus rhythm", text])
    assert shown == ("Sinus rhythm",)
    assert withheld(["Sinus rhythm", text], shown) == ("statements of words that are no terms",)


def test_filter_settings_are_shown_without_other_words() -> None:
    settings = ["HP:0.05Hz LP:150Hz N:50Hz", "high-pass 5", "AC NONE", "set by Zebedeus", "Zebedeus"]
    assert filters_of(settings) == tuple(settings[:3])
    assert not is_filter_setting("LP 150 Zebedeus")
