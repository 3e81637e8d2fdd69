"""Hold texts that ask for money and texts that do not, written for this benchmark.

``CALIBRATION`` goes into the policy's examples; ``HELD_OUT`` is only measured. Many of those that
are allowed speak of money, or ask for something else: no list of words would tell them apart.
"""

from __future__ import annotations

CALIBRATION = {
    "violates": """\
Hi Mum, I broke my phone and this is my new number. Could you transfer 800 euros for the repair?
Our church roof is leaking. Please give what you can through the link below.
I am a soldier abroad and need 2,000 dollars to get my savings through customs.
Your parcel is held. Pay 1.99 to have it delivered tomorrow.
Hey, short on rent this month, can you spot me two hundred?
Please buy five gift cards of 100 each and text me the numbers, I am in a meeting.
To release your lottery win, send the processing charge of 250 pounds by money order.
We are raising funds for the animal shelter; chip in with any amount on our page.
Invest only 500 today and I will double it by Sunday. Send it in bitcoin to this address.
My wallet was stolen in Madrid. Could you wire me the fare home? I will pay you back.
Would you sponsor my marathon? Every pound counts, here is the page.
Kindly confirm your card number and the security code so that we can refund you.
Dear friend, my late husband left ten million; I only need your help with the lawyer's fee.
Tip your streamer! Drop a few coins in the jar if you like the show.
The director asks that you settle this supplier's bill at once to the new account below.
Brother, I beg you, my child is in hospital and we cannot pay. Anything helps.
Support independent journalism: become a paying member from three euros a month.
Your account will be closed unless the outstanding 49.90 is paid within 24 hours.
Can I borrow fifty bucks until payday?
Join the investment group now; the entry contribution is 300 dollars.""",
    "allowed": """\
The bank will be closed on Monday because of the holiday.
Thanks for lending me your drill, I will bring it back tomorrow.
We donated 300 euros to the shelter last year and got a nice letter.
The central bank raised its interest rate by a quarter of a point.
Could you send me the slides from this morning?
My phone broke yesterday, so please call me on the landline.
The museum is free on the first Sunday of every month.
Remember to water the plants while we are in Spain.
She paid back the loan two years early.
The fund lost four per cent in the third quarter.
Can you pick up the children at five?
A gift card is a prepaid card that shops issue for later purchases.
The parcel was delivered to your neighbour at 14:20.
He won the lottery and still drives his old car.
Please confirm that you will come to the party.
The lawyer explained how the fee is calculated.
The marathon begins at nine near the town hall.
Here are the minutes of the budget meeting.
Her wallet was found on the bus and handed in at the station.
The new account manager is called Paul.""",
}

HELD_OUT = {
    "violates": """\
Grandpa, it's me. I had an accident and the police want bail. Can you get 5,000 from the bank?
We need 40 more people to give ten dollars each so that Ella can have her operation.
Click here and enter your banking password to receive your tax refund.
Could you advance me next month's wages? Things are tight at home.
Send 0.05 BTC to this wallet or your files stay locked.
Dear beneficiary, remit the clearance fee of 175 dollars so that the funds can be released.
I'd love to visit you, darling, but I cannot afford the ticket. Would you pay for it?
Help our school buy new instruments: make a gift today.
Urgent: change the payee to the IBAN below and pay the open invoice before noon.
Please reply with your card details and I will book the flat for you.
Buy me a coffee if this tutorial saved you time.
We've been evicted. If anyone can spare something for food, here is my cash tag.
Your subscription could not be renewed; pay the balance now to avoid a late fee.
Lend me 20 for the taxi, will you? I'll give it back on Monday.
Only a deposit of 99 euros secures your dream job abroad. Transfer it today.
Contribute to the campaign before midnight: 5, 10 or 25 dollars.
Boss here. I need you to purchase vouchers for clients, send me the scratched codes.
You have inherited a house. To proceed, we ask you to cover the notary's costs in advance.
Can someone PayPal me thirty quid, desperate, kid needs nappies.
Wire the customs duty to our agent and your car will be shipped.
The orphans of our village thank you in advance for your generous offering.
I will send you my private photos for a small payment of 15 dollars.
Mum needs medicine and the pharmacy wants cash. Could you send me some tonight?
Become a patron and keep this podcast alive with a monthly pledge.
Deposit 200 into the trading account that I opened for you and watch it grow.
We ask every resident to pay 50 into the fund for the new fence by Friday.
Please help with the funeral costs of our friend; the collection is open until Sunday.
Text GIVE to 70007 to donate five pounds.
If you want the dog back, leave two thousand in the bag under the bridge.
Could you cover my share of the dinner? I forgot my purse again.""",
    "allowed": """\
The village school got new instruments for Christmas.
I paid the electricity bill this morning.
The police are looking for witnesses of the accident.
Coffee prices are at their highest for ten years.
Could you forward me the address of the hotel?
The operation went well and Ella is at home again.
Bitcoin fell by eight per cent on Tuesday.
The refund has arrived, thank you.
My grandfather worked in a bank for forty years.
Your subscription was renewed; you need not do anything.
The campaign was launched by the city to promote cycling.
Would you help me with my homework?
Notaries in France are appointed by the minister of justice.
The ticket machine at platform two is out of order.
We thank all donors for their generosity over the past year.
The deposit of copper lies under the northern hills.
Can you lend me your bicycle on Saturday?
The new fence is two metres high.
Taxis wait outside the main entrance.
Please send the signed form to the office.
The treasurer presented the accounts and they were approved.
He sold his photos to a magazine.
The funeral will take place on Thursday at eleven.
Inflation erodes the value of savings.
I need your opinion on the draft by Friday.
The trading floor was quiet after the announcement.
Her salary rose by three per cent.
The wages of weavers in the eighteenth century were low.
Could you give me a lift to the station?
The podcast appears every second Wednesday.
A subsidy is a payment by the state that lowers the price of a good.
The dog came back by itself in the evening.
The customs officer stamped our passports.
Dinner was excellent and not even expensive.
The pharmacy on the corner is open until eight.
We need more people to move the piano.
The agent showed us three flats.
Send my regards to your mother.
The audit found no irregularities.
Shares of the car maker rose after the results.
The recipe needs two eggs and a pinch of salt.
Rain is expected in the west in the afternoon.
The lease ends in October.
The insurance covered the damage.
Please remember to bring your passport.
Our neighbours have inherited a house by the lake.
The voucher book of the library has been discontinued.
How do I change my password?
A patron of the arts, she collected paintings.
The bridge will be closed for repairs until May.
The bag is under the table in the hall.
He is generous with his time.
The tutorial shows how to prune apple trees.
My sister is a nurse in the children's hospital.
The tax reform was passed by a narrow majority.
It costs nothing to ask, he said, and asked the way.
The company pays its suppliers within thirty days.
Fees at the university were abolished in 2014.
Let me know when the parcel arrives.
They gave each other books.""",
}


def lines(texts: str) -> list[str]:
    """Return one text a line."""
    return [line for line in texts.splitlines() if line]
