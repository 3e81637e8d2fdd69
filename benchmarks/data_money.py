"""Hold texts that ask for money and texts that do not, written for this benchmark.

``CALIBRATION`` goes into the policy's examples; ``HELD_OUT`` and ``SECOND``, which came later and
tuned nothing, are only measured. Many of those that are allowed speak of money, or ask for
something else: no list of words would tell them apart.
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

SECOND = {
    "violates": """\
The landlord is at the door and I am 300 short. Could you help me out until the first?
Hello Nana, my bank card was swallowed abroad. Please send cash by courier to the hotel.
Each signature helps, but so do twenty euros: give now so that the river stays clean.
Your tax number has been suspended. Settle the fine of 640 with store vouchers to avoid arrest.
Mate, my petrol is gone and so is my wallet. Ping me a tenner?
For just three dollars a week you can give a child clean water. Will you start today?
We noticed a failed payment. Enter your card again on the page below to keep your films.
The treasurer is ill, so please send this month's dues straight to my private account.
I won't tell your wife if 3,000 arrive in my wallet by Thursday.
Our choir travels to Vienna in May and still lacks 1,200. We would be glad of your contribution.
An uncle you never met left you gold. The bailiff only wants his 380 before he hands it over.
Could I have my pocket money a week early, Dad?
Top up my phone, please, I will explain when I see you.
A vet bill of 900 is more than I have. If you love Rufus too, the jar is on the counter.
I am the manager of a mine in Ghana; put in 1,000 and take out 10,000 within a month.
Would you mind paying for the groceries this time and for the babysitter as well?
Reserve the puppy with 250 through the transfer service; shipping is on us.
The club needs a new boiler. Members are asked to donate at least one hour's wage.
Madam, the stamp duty on your parcel of jewels is unpaid. Remit it to our officer tonight.
Hey, it's Tom from football. Any chance you could sub me for the kit? Forty would do.
Support the channel with a super chat, every little bit keeps us on air.
The hospital will not operate before we have paid. Whatever you can spare, please, here is the number.
Pay the toll you missed: 2.35, or a penalty of 90 will follow. Follow the link.
I'd repay you with interest if you could put 5,000 into my bakery.
Give me the pin of your card and I will take the rent out myself.
The CEO wants the deposit for the merger to leave today. Make the wire and tell nobody.
Spare some change, sir? I have not eaten since yesterday.
Your computer is infected. Call us and buy the protection for 199 at once.
Become a friend of the theatre from 60 a year and save our stage.
Darling, the customs keep my laptop. Three hundred would free it, and then I fly to you.
Please all put ten into the hat for Maria's leaving present.
Send me a coin on the app and I will follow you back.
To keep your place at the academy, the enrolment fee has to reach us by noon.
Could your firm sponsor our robot team with 500?
You were chosen for a grant of 50,000. A handling charge of 120 is due beforehand.
I am collecting for the lifeboats, would you like to put something in?
Transfer half of the prize to me or I tell them that you cheated.
Loan me the fare to Leeds, sis? I get paid on Friday.
We lost everything in the flood; bless you if you can help us with a gift of any size.
Invoice 2291 was sent with the wrong account number; pay it again to the one below and we refund the first.""",  # noqa: E501
    "allowed": """\
The landlord repainted the stairs last week.
My bank card arrived in the post today.
The river has been clean since the factory closed.
She was fined for parking in front of the fire station.
Petrol is cheaper on the other side of the border.
Water boils at a lower temperature in the mountains.
Could you enter the measurements into the table?
The treasurer resigned after eleven years.
The wallet is made of leather and has four pockets.
Our choir sang in Vienna in May.
Gold was found near the creek in 1851.
Dad, can you fetch me from the station at six?
Phones have to be switched off during the concert.
Rufus had to go to the vet but is fine again.
The mine employs two thousand people.
Who is paying attention to the babysitter's advice?
The puppies are eight weeks old and very lively.
The boiler of the club was replaced in autumn.
Jewels of the crown are kept in the tower.
Tom scored twice in the second half.
The channel shows old films at night.
The hospital opened a new ward for children.
The toll on the bridge was abolished.
Interest rates for bakeries and other small firms are falling.
I forgot the pin of my phone, how can I unlock it?
The merger was approved by the authorities.
Would you like some more soup?
How do I remove a virus from my computer?
The theatre was sold out three nights running.
The laptop weighs a little over a kilogram.
Maria's leaving party was great fun.
The coin shows the head of an emperor.
The academy takes forty new students a year.
The robot team came second in the final.
Grants for insulation are described on the page of the council.
The lifeboat was called out twice on Sunday.
The prize was shared between two novelists.
Could you bring my sister's bag to Leeds?
The flood washed away the old bridge.
Invoice 2291 has been settled, many thanks.
Thanks to your gift we could plant ninety trees.
He lent me his bicycle and I gave it back on Monday.
The refund was paid into her account on the third.
Could you give me your opinion of this wine?
The committee spends a third of its money on rent.
In 1923 a loaf cost more than a house had cost before the war.
Please send the minutes to everybody by tonight.
The cashier gave me too much change, so I returned it.
Two hundred people donated blood at the town hall.
Help me choose a colour for the kitchen.
A loan is a sum that is repaid with interest.
Our neighbours won a weekend in Paris.
The vouchers are valid until the end of the year.
The bursary covers books and travel.
Could you send me the recipe for the plum cake?
The bank robber was caught at the border.
Fees are listed on page nine of the brochure.
You need not pay anything: the exhibition is free.
The accountant checks the books twice a year.
We were paid on time every month.
Please pay attention to the step.
Give the cat some milk when you come home.
The fund invests in wind farms.
Send in your photographs by the tenth of June.
Payment by card is possible at all counters.
A donor who does not wish to be named gave the piano.
I owe you an apology for last night.
The currency was reformed twice in ten years.
Our insurance pays for the broken window.
Could somebody lend a hand with the tables?
The auction raised more than anyone had hoped.
Your order has been sent and will arrive on Thursday.
She earns her living by translating.
The customs house is a museum today.
Beggars are mentioned in the chronicle of 1540.
This letter explains how scammers ask for gift cards.
My savings account pays one per cent.
The club thanks its sponsors of the past season.
Can I borrow your ladder at the weekend?
The price includes breakfast and parking.""",
}


POOL = {
    "violates": """\
Sorry to ask, but the boiler man wants paying up front. Could you put 150 on my card?
I run the soup kitchen on Mill Lane, and our freezer has died. Twenty from each of you would buy a new one.
This is your energy supplier. Your direct debit bounced; pay 84.20 by phone before we cut you off.
Auntie, the college says no exam without the fee. Please, please send it by mobile money.
Hello friend, I trade currencies and my clients triple their stake each week. Begin with 250.
Our kitten needs an operation. The fundraiser is linked in my profile, thank you so much.
You can keep your licence if 400 reaches the inspector in cash by tonight.
Would you chip in for petrol if I drive us both to Bristol?
Your cloud storage is full and your photos will be erased. Renew now for 0.99.
I matched with you because you seemed kind. My visa costs 600, would you cover it and I'll come to you?
Every tin of paint for the village hall costs money. Stand with us, give what you are able to.
Please authorise the attached payment of 18,400 to our new supplier at once, I am boarding a flight.
Can u cashapp me 25? my card got declined at the pharmacy
We picked your number in the draw! To receive the car, only the registration of 199 is left to pay.
The police seized my passport. The fixer asks for 900 euros and I have nobody but you.
Patrons who give five a month get each episode a week early. Sign up below.
Give us your account number and sort code and we'll move your savings somewhere safe.
I need a hand with my deposit. I'd hand it back in three months, promise.
Drop something into the bucket for the brass band as you go by!
Failure to remit the outstanding levy of 312 will lead to a bailiff's visit. Settle it here.
Mate, can you cover the round tonight? I left my cards in the other jacket.
Our orphanage has rice for two days. God will reward each dollar that you send.
I filmed you through your laptop. Half a bitcoin to this address and the clip is gone.
Tenants are reminded to transfer the extra heating charge to the caretaker's own account this week.
The team goes to nationals if we raise 3,000 by March. Fund a jersey or a bus seat today.
You qualified for a home job. The starter kit is 75, payable in advance by voucher.
It's Dad. I'm using a friend's phone, I need you to pay a bill of 1,140 for me right away.
For a small tip I will read your stars. Send it first, please.
May I ask you for an advance on my wages? The car broke down again.
Without a new roof the chapel will close. We appeal to all of you for pledges.
You have one unpaid speeding ticket. Avoid doubling of the fine: pay 60 by card now.
Lend us a grand for the stall, and we'd share the profit with you.
I'm the widow of a banker. Help with the transfer tax of 2,500 and a third of the fortune is yours.
Please bring three pounds for the bake sale in aid of the hospice.
Your antivirus ran out today. Confirm the charge of 349 by calling us and giving your card.
Could the parents each send ten for the teacher's present to my account?
We are still short of blankets. A gift of 15 keeps one family warm.
Ring me back. It costs only four a minute and I will tell you who loves you.
Help, I'm stuck at the ferry without a penny, could you send enough for a ticket?
To unblock your card, type its number, the date and the three digits on the back.
Members who have not yet paid should hand their 30 to Karen by Sunday.
My startup closes its seed round on Monday. Tickets from 1,000, will you come in?
Somebody hit my bike. If a few of you threw in a fiver I could ride to work again.
The seller only ships once the full price is sent as a gift to this handle.
Subscribe for 4.99 and unlock the rest of my pictures.
Grandma, do not tell Mum, but I owe a guy 500 and he is getting nasty. Can you help?
Adopt a whale for 36 a year. Act while they are still here.
I am in charge of procurement. Your bid wins if two per cent arrives on my cousin's account.
Sign in to your bank with this link to accept the money that was sent to you.
Any spare coins for a hot meal, love?
Become a founding member of the co-op by buying at least one share of 100.
Could you pay my phone bill this once? I'd be ever so grateful.
The judge will drop the case for 5,000. Bring it in small notes.
A year of our newspaper for a euro a week: keep reporters in work, subscribe.
Our flight was cancelled and the hotel wants cash. Western Union works, any amount.
Pay a fully refundable holding fee to reserve the flat before others see it.
Please top up the kitty, we've run out of coffee money.
We lost our house to the fire on Elm Street. The account for gifts is printed below.
Put 50 on this horse for me, will you, and I'll square up on Saturday.
Your child has been in an accident. The clinic accepts cards by phone, have yours ready.
Our lab needs a sequencer. Contribute via the university's giving page.
Unpaid import VAT: 3.10. Your package goes back unless this is settled tonight.
I need iTunes cards for the staff raffle, can you get them and send photos of the backs?
Bro I swear I'll pay you back, just a hundred till the weekend.
Sponsor a hive and save the bees: 40 for a season.
The lawyer says bail is 2,000. I know it's a lot, but can you find it?
All sellers must pay the new listing fee within a day or lose their shop.
We'd love you to back our board game; pledges start at 12.
This loan costs no interest at all: just send the insurance of 180 and it's approved.
Hi, this is Anna from accounts, my salary should go to the new IBAN; also please reimburse 420 today.
The mosque's well is dry. Whoever gives will be remembered.
Trust me with your seed phrase and I will recover your lost coins.
Someone has to pay for the van on Friday. Could it be you this time?
I would be thankful for a contribution towards my studies in Lagos.
Throw the busker a quid, he's earned it!
Lads, subs are due: a tenner each to the usual account.
If you want your files to stay private, pay by noon.
The pastor asks each household to sow a seed of 100 this month.
Chuck me whatever you've got, I'll miss the last train otherwise.
Keep Wikipedia's little cousin alive: even two euros count.""",  # noqa: E501
    "allowed": """\
The boiler was serviced in October.
Our soup kitchen fed three hundred people last winter.
I got a new phone, the number is the same as before.
The energy supplier explained the new tariff on its page.
My aunt teaches at a college in Kumasi.
Currencies are traded around the clock.
The kitten is doing fine after its operation.
Inspectors found that officials had taken bribes for years.
Shall we drive to Bristol together on Saturday?
Photos are erased from the bin after thirty days.
Her visa was issued within a week.
The village hall was painted in two shades of green.
Please find attached the agenda for the board.
My card was declined because it had expired.
The winner of the draw was a retired plumber.
He found his passport behind the radiator.
A new episode comes out every Tuesday.
We never ask for your password or your card number.
The deposit was returned in full when we moved out.
The brass band plays in the park at three.
The levy on plastic bags has cut their number by half.
The next round is on me tonight!
The orphanage was turned into a school in 1962.
Bitcoin is mined by computers that solve puzzles.
The caretaker will read the heating meters on Thursday.
The team won at nationals and came home by bus.
I applied for a home job as a proofreader.
Dad is using my phone while his is being mended.
How are tips taxed for waiters?
Wages rose faster than prices this spring.
The chapel has a medieval roof.
Speeding tickets can be contested in writing.
The market stall made a profit for the first time.
The banker's widow founded a museum.
There will be a bake sale at school on Friday.
Your antivirus has been updated.
The teacher was delighted with her present.
Blankets and pillows are in the upper cupboard.
Ring me back when you have a minute.
The ferry leaves at ten past the hour.
Cards can be blocked by phone at any time of day.
Karen took the minutes of the members' meeting.
The startup was bought by a larger rival.
My bike was stolen, so I walk to work now.
The seller shipped the lamp the same day.
Thank you all for subscribing, we've reached a thousand readers.
Grandma does not want to be told how the film ends.
Whales were hunted for their oil.
Our bid was two per cent below the next one.
The bank has a new app with larger letters.
A hot meal is served to the homeless at noon.
The co-op opened a second shop.
I paid my phone bill yesterday.
The case was dropped for lack of evidence.
The newspaper costs a euro at the kiosk.
Our flight was cancelled and the airline found us a hotel.
The flat was let before we could see it.
The coffee in the office is free.
The fire on Elm Street was put out by midnight.
The horse finished third.
A child was hurt in an accident near the clinic.
The lab has received a new sequencer.
Import duties on steel were raised in March.
The raffle was won by somebody from the night shift.
Do you know whether the weekend bus runs?
Bees visit up to two thousand flowers a day.
Bail was set at two thousand dollars.
The listing fee was dropped for charities.
The board game takes two hours and is great fun.
Interest on this loan is fixed for five years.
Salaries are paid on the last working day.
The mosque has a well in its courtyard.
She recovered her lost ring from the drain.
The van will be here on Friday, who has the key?
My studies in Lagos begin in September.
The busker knows all the old songs.
Training starts at seven, bring water.
Your files are private and only you can see them.
The pastor thanked each household in person.
We missed the last train and shared a taxi.
Would you send me your address for the invitation?
Could you lend me the blue suitcase for my trip?
Please give this letter to your mother.
Can anybody spare an hour to help with the chairs?
I need your signature on page two.
Please transfer the file to the shared folder.
Help me find the cat, she has been gone since Monday.
Could you pay more attention to the margins?
Send us your best holiday picture.
Please confirm the delivery date of the sofa.
We raised 4,200 at the fete, well done everybody.
The invoice for March is settled.
She gives a tenth of her income to charity.
They borrowed a small fortune to build the barn.
He refused to lend his brother any money.
Scammers pretend to be a relative in need.
The article explains how advance fees work.
I donated blood for the tenth time.
A gift voucher lay under the tree.
The charity spends most on clean water.
Is the entry free for children?
Our treasurer reported a small surplus.
The city subsidises tickets for pupils.
The crowd threw flowers on the stage.
Mum paid for the tickets, so we owe her lunch.
Paying by phone has become common in Kenya.
The insurance refunded the whole trip.
My landlord has lowered the rent!
The pension fund holds shares of railways.
In the novel a clerk embezzles the parish money.
You will get your money back within a week.
How much does a litre of milk cost at yours?
Customs opened the parcel and sealed it again.
The auction house sold the violin for a record price.
The bonus was a pleasant surprise.
Cheques are hardly used any more.
A thief emptied the collection box.
The pledge was signed by forty mayors.
Students protested against higher fees.
The prize money went to a girl of nine.""",
}


def lines(texts: str) -> list[str]:
    """Return one text a line."""
    return [line for line in texts.splitlines() if line]
