using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Worker.Confinement;

namespace ChannelSdk.Worker;

/// <summary>How a confined program begins: it confines itself, tells the host manager what holds, and works after that.</summary>
internal static unsafe class ConfinedStart
{
    /// <summary>Exit code for arguments that are none.</summary>
    public const int BadArguments = 2;

    /// <summary>Exit code where the host manager takes no report.</summary>
    public const int Unheard = 3;

    /// <summary>Runs the program.</summary>
    /// <param name="arguments">Those of the command line.</param>
    /// <param name="work">What it does on its control socket once it is confined; gives the exit code.</param>
    public static int Run(string[] arguments, Func<SafeFd, int> work)
    {
        if (ConfinementSettings.Parse(arguments) is not { } settings)
        {
            StandardStream.WriteLine(StandardStream.Error, $"channel-worker: expected NAME=NUMBER for each of {ConfinementSettings.Names}; a host manager starts this program");
            return BadArguments;
        }

        using var control = new SafeFd(settings.Control);
        return Tell(control, ProcessConfinement.Apply(settings)) ? work(control) : Unheard;
    }

    private static bool Tell(SafeFd control, ConfinementReport report)
    {
        var message = stackalloc byte[ConfinementReport.Size];
        report.Write(new Span<byte>(message, ConfinementReport.Size));
        return SocketCalls.Send(control, message, ConfinementReport.Size, Abi.MSG_NOSIGNAL) == ConfinementReport.Size;
    }
}
