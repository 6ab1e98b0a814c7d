using System.Text;
using ChannelSdk.Channels.Workers;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.InWorker;

/// <summary>
/// Takes the name of a probe and its argument, a line of text, runs it, and answers with what came of it as text. With a "!" before the name
/// it runs on the runtime's second thread, whose rights are its own. A host manager that says first what a worker is to do gets one that
/// was taken over.
/// </summary>
internal static unsafe class ProbeLoop
{
    private const int Room = 4096;

    public static int Run(SafeFd control)
    {
        var buffer = stackalloc byte[Room];
        while (true)
        {
            var count = SocketCalls.Recv(control, buffer, Room, 0);
            if (count <= 0)
            {
                return 0;
            }

            if (count == WorkerSetup.Size)
            {
                return TakenOver.Run(control, new ReadOnlySpan<byte>(buffer, (int)count));
            }

            var words = Encoding.UTF8.GetString(buffer, (int)count).Split(' ', 2);
            var (name, argument) = (words[0], words.Length > 1 ? words[1] : "");
            var answer = name[0] == '!' ? OnFinalizer(() => Try(name[1..], argument, control)) : Try(name, argument, control);
            var bytes = Encoding.UTF8.GetBytes(answer);
            fixed (byte* start = bytes)
            {
                _ = SocketCalls.Send(control, start, (nuint)bytes.Length, Abi.MSG_NOSIGNAL);
            }
        }
    }

    private static string Try(string name, string argument, SafeFd control)
    {
        try
        {
            return Probes.Run(name, argument, control);
        }
        catch (Exception e)
        {
            return $"thrown {e.GetType().Name}";
        }
    }

    private static string OnFinalizer(Func<string> work)
    {
        string? answer = null;
        Leave(() => answer ??= work());
        for (var i = 0; i < 10 && answer is null; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        return answer ?? "never ran";
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static void Leave(Action work) => GC.KeepAlive(new Finalized(work));

    private sealed class Finalized(Action work)
    {
        ~Finalized() => work();
    }
}
