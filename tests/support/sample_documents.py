# ruff: noqa: E501 (the paragraphs of the documents are whole lines)
"""Writes the sample documents that are not plain text: six PDFs and four Word files.

    python tests/support/sample_documents.py

They are checked in; run this only after changing their text here. The files' dates are fixed so that the bytes stay the same.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[2] / "sample_docs"
WRITTEN = datetime(2025, 9, 1, 12, 0, tzinfo=UTC)

Page = list[tuple[str, object]]  # ("h1" | "h2" | "p", text) or ("table", rows)

PDFS: dict[str, tuple[str, list[Page]]] = {
    "policies/refund-policy-2022.pdf": (
        "Refund policy (2022)",
        [
            [
                ("h1", "Refund policy (2022)"),
                ("p", "Valid for orders placed between 1 January 2022 and 31 May 2025. Later orders follow the refund policy of 2025."),
                ("h2", "Returning goods"),
                ("p", "Unused goods may be returned within 14 days of delivery. The box must be unopened. The buyer pays the return postage in every case."),
                ("h2", "Restocking fee"),
                ("p", "A restocking fee of 20 percent is kept for goods that are returned without a fault."),
                ("h2", "How refunds are paid"),
                ("p", "Refunds are paid by bank transfer within 30 days after the goods have arrived in Heimdal."),
                ("h2", "Subscriptions"),
                ("p", "Fees for Frostline Cloud are not refunded."),
            ]
        ],
    ),
    "policies/refund-policy-2025.pdf": (
        "Refund policy (2025)",
        [
            [
                ("h1", "Refund policy (2025)"),
                ("p", "This policy holds for orders placed on or after 1 June 2025. It replaces the policy of 2022. It was approved by the board in March 2025."),
                ("h2", "1 Scope"),
                ("p", "The policy covers loggers, hubs, probes and subscriptions bought from Halden Coldchain or from one of its partners. Calibration services are covered by the terms of the laboratory."),
                ("h2", "2 Who may ask"),
                ("p", "The company or person named on the invoice may ask for a refund. Partners ask on behalf of their customers and pass the money on within ten days."),
            ],
            [
                ("h2", "3 Returning goods"),
                ("p", "Goods may be returned within 45 days of delivery, opened or not, as long as they are complete. Loggers that have been exposed to radiation or to pressure above 6 bar are excluded."),
                ("h2", "4 Return postage"),
                ("p", "Halden Coldchain pays the return postage when the goods are faulty. In all other cases the sender pays."),
                ("h2", "5 Restocking"),
                ("p", "There is no restocking fee for up to ten devices. For larger returns without a fault, 8 percent of the price is kept."),
            ],
            [
                ("h2", "6 How refunds are paid"),
                ("p", "Refunds go back to the original means of payment within five working days after the goods have been checked. Checking takes at most three working days."),
                ("h2", "7 Subscriptions"),
                ("p", "An annual subscription to Frostline Cloud can be cancelled in the first 60 days for a full refund. After that, unused whole months are refunded."),
                ("h2", "8 When we cannot agree"),
                ("p", "Disputes go first to Lucy Barraclough, head of sales. If that does not help, the parties turn to the Norwegian Consumer Disputes Commission or, for companies, to the district court of Trøndelag."),
            ],
        ],
    ),
    "handbook/expenses-2025.pdf": (
        "Travel and expenses (2025)",
        [
            [
                ("h1", "Travel and expenses (2025)"),
                ("p", "In force from 1 March 2025 for all trips that begin on or after that day. Questions go to Henrik Moe in finance."),
                ("h2", "Daily allowance"),
                ("p", "The daily allowance covers meals and small costs. It is paid for each day away from home, without receipts."),
                ("table", [["Country", "Full day", "Departure or return day"], ["Norway", "NOK 710", "NOK 355"], ["United Kingdom", "GBP 46", "GBP 23"], ["Germany", "EUR 52", "EUR 26"], ["United States", "USD 79", "USD 39"]]),
                ("p", "When breakfast is part of the hotel price, one fifth of the allowance is taken off."),
            ],
            [
                ("h2", "Hotels"),
                ("p", "A hotel night may cost up to NOK 2,100 in Norway and GBP 150 in the United Kingdom. In Oslo and London one third more is accepted without asking."),
                ("h2", "Flights and trains"),
                ("p", "Premium economy may be booked for flights of more than seven hours. Journeys between Trondheim and Oslo are made by train where the calendar allows it."),
                ("h2", "Cars"),
                ("p", "Private cars are paid at NOK 5.30 per kilometre, and NOK 1.00 more for each colleague who comes along."),
                ("h2", "Claims"),
                ("p", "Claims are made in the app Findity within 30 days. Receipts are needed for everything above NOK 250. Claims that arrive later than 90 days after the trip are not paid."),
                ("h2", "Company cards"),
                ("p", "Whoever travels more than six times a year may have a company card. Private purchases on it are paid back within a week."),
            ],
        ],
    ),
    "product/frostline-one-datasheet.pdf": (
        "Frostline One data sheet",
        [
            [
                ("h1", "Frostline One"),
                ("p", "Temperature logger for goods in transit. Reusable, watertight, readable on any computer."),
                ("h2", "Measurement"),
                ("table", [["Property", "Value"], ["Range", "-40 to +70 °C"], ["Accuracy", "0.3 °C between -20 and +30 °C"], ["Resolution", "0.01 °C"], ["Interval", "30 seconds to 2 hours"], ["Memory", "32,000 readings"]]),
                ("p", "An external probe of type K2 extends the range to -95 °C for shipments on dry ice."),
            ],
            [
                ("h2", "Body and power"),
                ("table", [["Property", "Value"], ["Size", "62 x 41 x 14 mm"], ["Weight", "38 g with battery"], ["Protection", "IP67"], ["Battery", "one CR2477 cell"], ["Battery life", "26 months at one reading every 15 minutes"]]),
                ("h2", "Radio"),
                ("p", "868 MHz, at most 25 mW. NFC for pairing. The logger has no Bluetooth."),
                ("h2", "Approvals"),
                ("p", "EN 12830, CE, UKCA, and RTCA DO-160 for use on board aircraft. A calibration certificate with three points is in the box."),
            ],
        ],
    ),
    "product/frostline-hub-manual.pdf": (
        "Frostline Hub manual",
        [
            [
                ("h1", "Frostline Hub: manual"),
                ("p", "The hub collects the readings of up to 250 loggers and sends them to Frostline Cloud. Read this manual before you fix the hub to a wall."),
                ("h2", "What is in the box"),
                ("p", "One hub, one mains adapter for 12 volts, one antenna, two screws, and a card with the activation code."),
            ],
            [
                ("h2", "Mounting"),
                ("p", "Mount the hub at least two metres above the floor with the antenna pointing up. Keep half a metre away from metal shelves. Tighten the antenna by hand only."),
                ("h2", "Connecting"),
                ("p", "The hub uses a network cable when one is plugged in, then Wi-Fi, and the cellular network last. Wi-Fi is set up with the Frostline app while the hub light is white."),
                ("p", "Companies with a firewall must allow port 8883 to mqtt.haldencoldchain.example."),
            ],
            [
                ("h2", "The light"),
                ("table", [["Light", "Meaning"], ["green, steady", "connected, all readings sent"], ["green, breathing", "sending stored readings"], ["white", "waiting to be set up"], ["amber", "no connection, readings are kept"], ["red, blinking", "wrong supply voltage"], ["blue", "updating, do not unplug"]]),
                ("h2", "Restart and factory settings"),
                ("p", "To restart, pull the plug for ten seconds. To go back to factory settings, press the recessed button with a paper clip for eight seconds. Stored readings are sent first if there is a connection; otherwise they are lost."),
            ],
            [
                ("h2", "Care"),
                ("p", "The hub works between -20 and +50 °C and must not be covered. Dust the vents once a year."),
                ("h2", "Technical data"),
                ("table", [["Property", "Value"], ["Supply", "12 V, 1.5 A"], ["Consumption", "2.4 W on average"], ["Buffer", "14 days for 250 loggers"], ["SIM", "nano SIM, not included"], ["Weight", "310 g"]]),
            ],
        ],
    ),
    "sales/price-list-2025.pdf": (
        "Price list, autumn 2025",
        [
            [
                ("h1", "Price list, autumn 2025"),
                ("p", "Prices in euro without value added tax, valid from 1 October 2025 to 31 March 2026."),
                ("h2", "Devices"),
                ("table", [["Article", "1 to 9", "10 to 99", "100 or more"], ["Frostline One", "79", "69", "58"], ["Frostline One with K2 probe", "112", "99", "86"], ["H probe", "34", "31", "27"], ["Frostline Hub", "420", "385", "350"], ["Starter set: one hub, three loggers", "590", "on request", "on request"]]),
            ],
            [
                ("h2", "Frostline Cloud"),
                ("table", [["Plan", "Loggers", "Per month"], ["Dock", "up to 10", "19"], ["Harbour", "up to 100", "95"], ["Fleet", "up to 1,000", "540"]]),
                ("p", "Whoever pays for a year in advance gets two months free. Hospitals and blood banks get 15 percent off every plan."),
                ("h2", "Services"),
                ("p", "Calibration costs EUR 45 per logger and takes eight working days. Installation by our own people costs EUR 880 a day plus travel."),
            ],
        ],
    ),
}  # fmt: skip

DOCX: dict[str, tuple[str, Page]] = {
    "handbook/first-weeks.docx": (
        "Your first weeks",
        [
            ("h1", "Your first weeks at Halden Coldchain"),
            ("p", "Welcome. This plan is for you and your buddy. Tick things off together."),
            ("h2", "Before the first day"),
            ("p", "Your laptop arrives by courier three days before you begin. The first password is on a separate letter."),
            ("h2", "Day one"),
            ("p", "Come to the reception in Kjøpmannsgata at 9:15. Your buddy meets you there and takes you to breakfast."),
            ("p", "You get two keys: a card for the doors and a security key for signing in. The security key replaces passwords for everything that matters."),
            ("h2", "Week one"),
            ("p", "Everyone, in every job, answers support tickets for two half days in the first week. Oskar Nyberg sits beside you."),
            ("table", [["Day", "Morning", "Afternoon"], ["Tuesday", "tour of the laboratory with Selma Haugen", "security course"], ["Wednesday", "support tickets", "support tickets"], ["Thursday", "visit to the warehouse in Heimdal", "meeting with your lead"]]),
            ("h2", "Month one"),
            ("p", "After 30 days you write one page on what surprised you and send it to Ingrid Solbakken. She answers every one."),
            ("h2", "Access"),
            ("p", "Access to production systems is given after the security course and ends by itself after 180 days unless your lead renews it."),
        ],
    ),
    "policies/warranty.docx": (
        "Warranty",
        [
            ("h1", "Warranty terms"),
            ("p", "These terms hold for devices delivered after 1 January 2024."),
            ("h2", "Length"),
            ("p", "Loggers carry a warranty of three years and hubs of five years from the day of delivery. Batteries, sealing rings and antennas are wearing parts and carry six months."),
            ("h2", "What is covered"),
            ("p", "We repair or replace, as we choose, any device that fails through a fault in material or workmanship. A replacement takes over what is left of the warranty, but at least one year."),
            ("h2", "What is not covered"),
            ("p", "Damage by leaking batteries of other makers, by opening the case beyond the battery lid, or by cleaning with solvents other than isopropanol."),
            ("h2", "How to claim"),
            ("p", "Send the serial number and a photograph to warranty@haldencoldchain.example. A decision follows within four working days."),
            ("table", [["Device", "Repair time", "Loan device"], ["Frostline One", "ten working days", "no"], ["Frostline Hub", "five working days", "yes, free of charge"]]),
        ],
    ),
    "engineering/calibration-procedure.docx": (
        "Calibration procedure",
        [
            ("h1", "Calibration procedure CP-12"),
            ("p", "Owner: Selma Haugen. The procedure follows EN 13486. It is carried out in the laboratory in Trondheim."),
            ("h2", "Equipment"),
            ("p", "Reference thermometer Fluke 1524 with probe 5616, checked every year by Justervesenet. Stirred ethanol bath, uniform to 0.02 °C."),
            ("h2", "Points"),
            ("p", "Each logger is measured at -30, +5 and +40 °C. At each point it rests for 25 minutes before ten readings are taken."),
            ("h2", "Acceptance"),
            ("p", "A logger passes when no reading differs from the reference by more than 0.25 °C. Loggers that fail are adjusted once and measured again; whoever fails twice is scrapped."),
            ("h2", "Records"),
            ("p", "Certificates are kept for ten years. The certificate number is the serial number followed by the year."),
            ("h2", "How often"),
            ("p", "We advise a new calibration every 24 months, and every twelve months for vaccines."),
        ],
    ),
    "meetings/board-minutes-2025-03.docx": (
        "Minutes of the board, 20 March 2025",
        [
            ("h1", "Minutes of the board, 20 March 2025"),
            ("p", "Present: Astrid Kvam (chair), Ingrid Solbakken, Tomas Reyes, Peter Ashworth, Nadia Rahman. Minutes: Marit Aune."),
            ("h2", "1 Accounts for 2024"),
            ("p", "Revenue rose to NOK 63.4 million from NOK 51.9 million. The result before tax was NOK 4.8 million. The accounts were approved."),
            ("h2", "2 Refund policy"),
            ("p", "Lucy Barraclough had counted that the restocking fee brought in NOK 74,000 but was named in a third of all complaints. The board approved the new policy without dissent."),
            ("h2", "3 Office in Leeds"),
            ("p", "The lease in Leeds ends in February 2026. The board asked Peter Ashworth to look for rooms with space for 20 people near the station, at no more than GBP 95,000 a year."),
            ("h2", "4 Loan"),
            ("p", "The board accepted the offer of SpareBank 1 SMN for a loan of NOK 12 million at 6.1 percent to pay for the American variant."),
            ("h2", "5 Risks"),
            ("p", "The single supplier of probes in Suzhou was named as the largest risk. A second supplier must be found before the end of the year; Tomas Reyes reports in September."),
        ],
    ),
}  # fmt: skip


def write_pdf(path: Path, title: str, pages: list[Page]) -> None:
    from fpdf import FPDF

    class Document(FPDF):
        def footer(self) -> None:
            self.set_y(-15)
            self.set_font("helvetica", size=8)
            self.cell(0, 8, f"Halden Coldchain AS - {title} - page {self.page_no()} of {len(pages)}", align="C")

    pdf = Document(format="A4")
    pdf.set_title(title)
    pdf.set_author("Halden Coldchain AS")
    pdf.set_creation_date(WRITTEN)
    for page in pages:
        pdf.add_page()
        for kind, content in page:
            if kind == "table":
                pdf.set_font("helvetica", size=10)
                with pdf.table(first_row_as_headings=True, line_height=7) as table:
                    for row in content:  # type: ignore[attr-defined]
                        table.row(row)
                pdf.ln(4)
                continue
            size, style, gap = {"h1": (20, "B", 5), "h2": (14, "B", 3), "p": (11, "", 4)}[kind]
            if kind == "h2":
                pdf.ln(2)
                pdf.start_section(str(content))
            pdf.set_font("helvetica", style=style, size=size)
            pdf.multi_cell(0, size * 0.55, str(content), new_x="LMARGIN", new_y="NEXT")
            pdf.ln(gap)
    pdf.output(str(path))


def write_docx(path: Path, title: str, page: Page) -> None:
    from docx import Document

    document = Document()
    document.core_properties.title = title
    document.core_properties.author = "Halden Coldchain AS"
    document.core_properties.created = document.core_properties.modified = WRITTEN.replace(tzinfo=None)
    for kind, content in page:
        if kind == "table":
            rows = list(content)  # type: ignore[call-overload]
            table = document.add_table(rows=len(rows), cols=len(rows[0]), style="Table Grid")
            for i, row in enumerate(rows):
                for j, cell in enumerate(row):
                    table.cell(i, j).text = cell
        elif kind == "p":
            document.add_paragraph(str(content))
        else:
            document.add_heading(str(content), level=int(kind[1]))
    document.save(str(path))


if __name__ == "__main__":
    for name, (title, pages) in PDFS.items():
        write_pdf(SAMPLES / name, title, pages)
    for name, (title, page) in DOCX.items():
        write_docx(SAMPLES / name, title, page)
