using System.Text;
using ChannelSdk.Channels.Workers;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Seam;

namespace ChannelSdk.InWorker;

/// <summary>
/// A worker that its guest has taken over: it asks for a link as any, and the guest names in a line the lie that it tells its supervisor from
/// then on (<see cref="Lies"/>).
/// </summary>
internal sealed unsafe class TakenOver
{
    private const int Memory = 4;
    private const int Bell = 5;
    private const int Unknown = 6;

    private TakenOver(SafeFd control, RawSeam seam, SafeFd bell, SafeFd guest) => (Control, Seam, BellSocket, Guest) = (control, seam, bell, guest);

    /// <summary>The socket by which links are asked for.</summary>
    public SafeFd Control { get; }

    /// <summary>The socket that wakes the supervisor.</summary>
    public SafeFd BellSocket { get; }

    /// <summary>The guest's link.</summary>
    public SafeFd Guest { get; }

    /// <summary>The memory between the two.</summary>
    public RawSeam Seam { get; }

    /// <summary>Serves as a worker until the lie is told; a lie that nothing ends goes on.</summary>
    /// <param name="control">The control socket.</param>
    /// <param name="setup">What the supervisor has told first.</param>
    /// <returns>The exit code.</returns>
    public static int Run(SafeFd control, ReadOnlySpan<byte> setup)
    {
        var options = WorkerSetup.Read(setup).Options;
        var length = ChannelWorker.MemoryFor(options);
        var memory = SystemCalls.Mmap(null, (nuint)length, Abi.PROT_READ_WRITE, Abi.MAP_SHARED, new SafeFd(Memory), 0);
        var bell = new SafeFd(Bell);
        var seam = new RawSeam((byte*)memory, new SeamBounds(options.Session, options.MaxMessage, options.AssemblyBytes).RingBytes, bell);
        const byte opening = 36;
        seam.Say(new RawRecord { Kind = opening });
        if (Ask(control) is not { } guest || Lies.Find(ReadLine(guest)) is not { } lie)
        {
            return Unknown;
        }

        var self = new TakenOver(control, seam, bell, guest);
        self.Establish();
        lie(self);
        Thread.Sleep(Timeout.Infinite);
        return 0;
    }

    /// <summary>Asks for a link; null: the supervisor gives none.</summary>
    public static SafeFd? Ask(SafeFd control)
    {
        _ = FileMessage.Send(control, LinkReply.Request, null);
        var answer = new byte[LinkReply.MostBytes];
        List<SafeFd> files = [];
        return FileMessage.Receive(control, answer, files) > 0 && files is [var link, ..] ? link : null;
    }

    /// <summary>Says what a worker says whose guest is up, so that there are calls to lie about.</summary>
    public void Establish()
    {
        const byte link = 37;
        const byte established = 38;
        Seam.Say(new RawRecord { Kind = link });
        Seam.Say(new RawRecord { Kind = established, Id = (UInt128)Environment.TickCount64, Extra = 1 });
        Beat(0);
    }

    /// <summary>Says a heartbeat with a detail.</summary>
    public void Beat(ushort detail)
    {
        const byte heartbeat = 41;
        const byte ready = 2;
        Seam.Say(new RawRecord { Kind = heartbeat, Bits = ready, Code = detail, Second = -1 });
    }

    private static string ReadLine(SafeFd guest)
    {
        var line = new StringBuilder();
        byte one;
        while (SocketCalls.Recv(guest, &one, 1, 0) == 1 && one != '\n')
        {
            line.Append((char)one);
        }

        return line.ToString();
    }
}
