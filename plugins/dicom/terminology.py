"""Names of what is segmented, with their SNOMED CT codes; as in PS3.16 of the DICOM standard."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

ANATOMY = ("91723000", "Anatomical Structure")  # categories: CID 7150
ABNORMAL = ("49755003", "Morphologically Abnormal Structure")
OBJECT = ("260787004", "Physical object")
SUBSTANCE = ("91720002", "Body Substance")
TISSUE = ("85756007", "Tissue")
SIDES = {"Left": "7771000", "Right": "24028007"}  # CID 244


@dataclass(frozen=True, slots=True)
class Term:
    """A name with the codes that stand for it: of SNOMED CT ("SCT"), value and meaning."""

    name: str
    category: tuple[str, str]
    code: tuple[str, str]
    side: str = ""  # "Left" or "Right"
    region: tuple[str, str] | None = None  # in which it lies, where its code does not say that


_SINGLE = {
    "Aorta": "15825003", "Abdominal aorta": "7832008", "Thoracic aorta": "113262008",
    "Artery": "51114001", "Bladder": "89837001", "Blood vessel": "59820001", "Bone": "272673000",
    "Brachiocephalic trunk": "12691009", "Brain": "12738006", "Brain stem": "119238007",
    "Brain ventricle": "35764002", "Bronchus": "955009", "Cerebellum": "113305005",
    "Colon": "71854001", "Coronary artery": "41801008", "Diaphragm": "5798000",
    "Duodenum": "38848004", "Entire body": "38266002", "Esophagus": "32849002",
    "Gallbladder": "28231008", "Heart": "80891009", "Hepatic artery": "76015000",
    "Hepatic vein": "8993003", "Inferior vena cava": "64131007", "Larynx": "4596009",
    "Left atrium": "82471001", "Left ventricle": "87878005", "Liver": "10200004",
    "Mandible": "91609006", "Mediastinum": "72410000", "Mediastinal lymph node": "62683002",
    "Middle lobe of right lung": "72481006", "Lymph node": "59441001", "Muscle": "71616004",
    "Optic nerve head": "81016008", "Pancreas": "15776009", "Pericardium": "76848001",
    "Pharynx": "54066008", "Pituitary": "56329008", "Portal vein": "32764006",
    "Prostate": "41216001", "Pulmonary artery": "81040000", "Pulmonary vein": "122972007",
    "Rectum": "34402009", "Retina": "5665001", "Right atrium": "73829009",
    "Right ventricle": "53085002", "Sacrum": "54735007", "Skeletal muscle": "127954009",
    "Skin": "39937001", "Skull": "89546000", "Small intestine": "30315005",
    "Spinal cord": "2748008", "Spine": "421060004", "Spleen": "78961009",
    "Splenic vein": "35819009", "Sternum": "56873002", "Stomach": "69695003",
    "Superior vena cava": "48345005", "Thymus": "9875009", "Thyroid": "69748006",
    "Tongue": "21974007", "Trachea": "44567001", "Urethra": "13648007", "Uterus": "35039007",
    "Vagina": "76784001", "Vein": "29092000", "Vertebra": "51282000",
}  # fmt: skip
_PAIRED = {
    "Adrenal gland": "23451007", "Brachiocephalic vein": "8887007", "Breast": "76752008",
    "Carotid artery": "69105007", "Clavicle": "51299004", "Eyeball": "79652003",
    "Femur": "71341001", "Fibula": "87342007", "Hip": "29836001", "Hippocampus": "5366008",
    "Humerus": "85050009", "Iliac artery": "10293006", "Iliac vein": "244411005",
    "Internal jugular vein": "12123001", "Kidney": "64033007", "Lower lobe of lung": "90572001",
    "Lung": "39607008", "Optic nerve": "18234004", "Ovary": "15497006",
    "Parotid gland": "45289007", "Patella": "64234005", "Radius": "131190003",
    "Renal artery": "2841007", "Renal vein": "56400007", "Rib": "113197003",
    "Scapula": "79601000", "Seminal vesicle": "64739004", "Subclavian artery": "36765005",
    "Submandibular gland": "54019009", "Testis": "40689003", "Thalamus": "42695009",
    "Tibia": "12611008", "Ulna": "23416004", "Upper lobe of lung": "45653009",
    "Ureter": "87953007",
}  # fmt: skip
_ABNORMAL = {
    "Abscess": "44132006", "Aneurysm": "85659009", "Cyst": "367643001", "Edema": "79654002",
    "Hematoma": "35566002", "Hemorrhage": "50960005", "Lesion": "52988006", "Mass": "4147007",
    "Metastasis": "128462008", "Necrosis": "6574001", "Neoplasm": "108369006",
    "Nodule": "27925004", "Plaque": "1522000", "Pleural effusion": "60046008",
    "Thrombus": "396339007",
}  # fmt: skip
_OBJECTS = {"Catheter": "19923001", "Implant": "40388003", "Stent": "65818007"}
_SUBSTANCES = {"Cerebrospinal fluid": "65216001"}
_TISSUES = {
    "Fat": "256674009", "Gray matter": "389081007", "Soft tissue": "87784001",
    "Tissue": "85756007", "White matter": "389080008",
}  # fmt: skip
_RETINA = ("5665001", "Retina")
_IN_THE_RETINA = {
    "Retinal vessels": ("59820001", "Blood vessel"), "Retinal artery": ("51114001", "Artery"),
    "Retinal vein": ("29092000", "Vein"),
}  # fmt: skip
_ALSO = {
    "node": "lymph node", "optic disc": "optic nerve head", "kidney, left": "left kidney",
    "kidney, right": "right kidney", "vessel": "blood vessel", "vessels": "blood vessel",
}  # fmt: skip
_NUMBER = re.compile(r"[\s_#-]*\d+$")
ANY = Term("", TISSUE, TISSUE)  # of what has a name that the list does not know


def names() -> tuple[str, ...]:
    """All names, sorted: what to suggest to whoever names an object."""
    return tuple(sorted(term.name for term in terms().values()))


def term(name: str) -> Term:
    """What a name stands for, in any case of its letters; `ANY` if the list does not know it.

    A number at its end only tells it from others: "Lymph node 3" is a lymph node.
    """
    whole = name.strip().casefold()
    plain = _NUMBER.sub("", whole)
    return terms().get(whole) or terms().get(_ALSO.get(plain, plain), ANY)


@cache
def terms() -> dict[str, Term]:
    """Every term by its name in lower case."""
    single = (
        (ANATOMY, _SINGLE), (ANATOMY, _PAIRED), (ABNORMAL, _ABNORMAL), (OBJECT, _OBJECTS),
        (SUBSTANCE, _SUBSTANCES), (TISSUE, _TISSUES),
    )  # fmt: skip
    found = [
        Term(name, category, (code, name))
        for category, table in single
        for name, code in table.items()
    ]
    found += [
        Term(f"{side} {name[0].lower()}{name[1:]}", ANATOMY, (code, name), side)
        for name, code in _PAIRED.items()
        for side in SIDES
    ]
    found += [Term(n, ANATOMY, code, region=_RETINA) for n, code in _IN_THE_RETINA.items()]
    return {entry.name.casefold(): entry for entry in found}
