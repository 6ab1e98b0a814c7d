using System.Globalization;

namespace ChannelSdk.Soak.Tests;

/// <summary>
/// The other processes of a soak, which go on until they are killed: <c>attack NAME FOLDER</c>, <c>guests FOLDER COUNT</c>. And what faults cost,
/// which <c>bench/run faults</c> runs: <c>measure ROUNDS [NAME...]</c>.
/// </summary>
internal static class Program
{
    private static async Task<int> Main(string[] arguments)
    {
        switch (arguments)
        {
            case ["guests", var folder, var count]:
                await using (new QuietGuests(folder, int.Parse(count, CultureInfo.InvariantCulture)))
                {
                    Console.WriteLine("waiting");
                    await Task.Delay(Timeout.Infinite);
                }

                return 0;
            case ["attack", var name, var folder] when Attack.Find(name) is { } attack:
                Run(attack, folder);
                return 0;
            case ["measure", var text, .. var names] when int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var rounds) && rounds is > 0 and <= 100:
                return await FaultMeasure.RunAsync(rounds, names);
            default:
                Console.Error.WriteLine("soak: wanted are 'attack NAME FOLDER', 'guests FOLDER COUNT' and 'measure ROUNDS [NAME...]', with 1 to 100 rounds");
                return 2;
        }
    }

    private static void Run(Attack attack, string folder)
    {
        var isMet = false;
        attack.Run(folder, () =>
        {
            if (!isMet)
            {
                isMet = true;
                Console.WriteLine("attacking");
            }
        });
    }
}
