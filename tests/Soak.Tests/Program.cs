namespace ChannelSdk.Soak.Tests;

/// <summary>One attack in its own process: <c>attack NAME FOLDER</c>. It goes on until it is killed.</summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        if (arguments is not ["attack", var name, var folder] || Attacks.Find(name) is not { } attack)
        {
            Console.Error.WriteLine($"soak: wanted are 'attack NAME FOLDER'; attacks are {string.Join(", ", Attacks.All.Select(a => a.Name))}");
            return 2;
        }

        var isMet = false;
        attack.Run(folder, () =>
        {
            if (!isMet)
            {
                isMet = true;
                Console.WriteLine("attacking");
            }
        });
        return 0;
    }
}
