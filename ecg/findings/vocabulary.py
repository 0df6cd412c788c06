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
