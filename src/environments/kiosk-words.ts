/** Names and things that the pages of the kiosk are about; all made up. */
export const firstNames =
  'Ada Amir Bela Chen Dara Elif Femi Greta Hana Ines Jun Kofi Lena Marek Nora Omar Pia Quinn Rosa Sven Tara Uma Viktor Wanda Yara Zeno'.split(
    ' ',
  )
export const lastNames =
  "Abara Brandt Castillo Duarte Eriksen Fontaine Gruber Hassan Ivanova Jansen Kowalski Lindqvist Moreau Novak O'Neill Petrov Quist Rossi Sato Tanaka Ueda Vargas Weber Yilmaz Zhang".split(
    ' ',
  )
export const countries =
  'Austria Brazil Canada Denmark Estonia France Ghana Hungary India Japan Kenya Latvia Mexico Norway Poland'.split(' ')
export const cities =
  'Ashford Brookvale Cedarport Dunmore Eastwick Fairhaven Glenrock Harwick Ironbridge Kingsley'.split(' ')
export const regions = 'Alder County, Birch County, Cedar County, Elm County, Maple County, Oak County'.split(', ')
export const streets = 'Harbour Street, Mill Lane, Station Road, Orchard Avenue, Castle Hill, River Walk'.split(', ')
export const products = 'lamp kettle chair rug clock vase blanket basket mirror stool shelf teapot'.split(' ')
export const makers = 'Alba Boreal Corvo Delta Eos Fjord Gaia Helix Iris Juno Koda Luma'.split(' ')
export const categories = ['Garden', 'Kitchen', 'Living room', 'Office']
export const chores =
  'Water the plants, Call the bank, Fix the gate, Renew the passport, Book the hall, Order paper, Clean the filter, Paint the fence, Sharpen the knives, Return the books, Check the tyres, Label the boxes'.split(
    ', ',
  )
export const folders =
  'Archive Budget Contracts Designs Events Finance Guides Invoices Letters Minutes Plans Reports'.split(' ')
export const files =
  'agenda.txt budget.csv cover.png draft.txt index.txt notes.txt photo.png report.txt summary.txt table.csv'.split(' ')
export const settings =
  'Weekly summary, Login alerts, Dark theme, Large text, Show my status, Share usage data, Sound effects, Read receipts, Auto save, Spell check, Two-step login, Public profile'.split(
    ', ',
  )
export const questions: readonly (readonly [string, readonly string[]])[] = [
  ['How often do you visit us?', ['Daily', 'Weekly', 'Monthly', 'Rarely']],
  ['How was the service?', ['Excellent', 'Good', 'Fair', 'Poor']],
  ['How did you hear of us?', ['A friend', 'A newspaper', 'An advertisement', 'By chance']],
  ['Would you come again?', ['Certainly', 'Probably', 'Perhaps', 'No']],
  ['Which time suits you best?', ['Morning', 'Noon', 'Afternoon', 'Evening']],
  ['How do you pay?', ['Cash', 'Card', 'Transfer', 'Voucher']],
]
