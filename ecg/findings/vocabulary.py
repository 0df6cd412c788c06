"""Names of everything the rules answer, with the nearest SNOMED CT concept where one is known."""

from enum import StrEnum


class Label(StrEnum):
    """The 17 labels of the ECG-FM clinical model, by name."""

    POOR_QUALITY = "Poor data quality"
    SINUS_RHYTHM = "Sinus rhythm"
    PREMATURE_VENTRICULAR = "Premature ventricular contraction"
    TACHYCARDIA = "Tachycardia"
    VENTRICULAR_TACHYCARDIA = "Ventricular tachycardia"
    ABERRANT_TACHYCARDIA = "Supraventricular tachycardia with aberrancy"
    ATRIAL_FIBRILLATION = "Atrial fibrillation"
    ATRIAL_FLUTTER = "Atrial flutter"
    BRADYCARDIA = "Bradycardia"
    ACCESSORY_PATHWAY = "Accessory pathway conduction"
    AV_BLOCK = "Atrioventricular block"
    FIRST_DEGREE_AV_BLOCK = "1st degree atrioventricular block"
    BIFASCICULAR_BLOCK = "Bifascicular block"
    RIGHT_BUNDLE_BRANCH_BLOCK = "Right bundle branch block"
    LEFT_BUNDLE_BRANCH_BLOCK = "Left bundle branch block"
    INFARCTION = "Infarction"
    PACEMAKER = "Electronic pacemaker"


class Term(StrEnum):
    """Statements beyond the 17 labels, by name."""

    ST_ELEVATION_ANTERIOR = "ST elevation, anterior"
    ST_ELEVATION_LATERAL = "ST elevation, lateral"
    ST_ELEVATION_INFERIOR = "ST elevation, inferior"
    ST_DEPRESSION_ANTERIOR = "ST depression, anterior"
    ST_DEPRESSION_LATERAL = "ST depression, lateral"
    ST_DEPRESSION_INFERIOR = "ST depression, inferior"
    LONG_QTC = "Prolonged QTc"
    SHORT_QTC = "Short QTc"
    LEFT_VENTRICULAR_VOLTAGE = "Left ventricular hypertrophy by voltage"
    LOW_VOLTAGE = "Low QRS voltage"
    LEFT_AXIS = "Left axis deviation"
    RIGHT_AXIS = "Right axis deviation"
    INCOMPLETE_RIGHT = "Incomplete right bundle branch block"
    INCOMPLETE_LEFT = "Incomplete left bundle branch block"
    ANTERIOR_HEMIBLOCK = "Left anterior fascicular block"
    POSTERIOR_HEMIBLOCK = "Left posterior fascicular block"
    PREMATURE_ATRIAL = "Premature atrial beats"
    PAUSE = "Pause"
