using System.Net.Sockets;
using System.Text;

namespace ChannelSdk.Soak.Tests;

/// <summary>What a worker that was taken over does, in tests/InWorker: its guest names it. Here is what the host says of each.</summary>
internal static class WorkerLies
{
    private const string Memory = "the memory between a worker and its supervisor has ";
    private const string Gone = "has ended";

    internal static IReadOnlyList<Attack> All { get; } =
    [
        Lie("position-beyond", Memory + "a writer's position"),
        Lie("position-back", Memory + "a writer's position"),
        Lie("position-uneven", Memory + "a writer's position"),
        Lie("kind", Memory + "a record of kind 200"),
        Lie("kind-of-supervisor", Memory + "a record of kind 1"),
        Lie("length", Memory + "a record of 2147483647 bytes"),
        Lie("length-below-zero", Memory + "a record of -64 bytes"),
        Lie("gap", Memory + "a gap that goes beyond"),
        Lie("name-length", Memory + "a method's name of another length"),
        Lie("name-length-below-zero", Memory + "a method's name of another length"),
        Lie("name-text", Memory + "a method's name that is not one"),
        Lie("class-of-stream", Memory + "a class of streams"),
        Lie("deadline", Memory + "a deadline that is not one"),
        Lie("number-of-supervisor", Memory + "more calls of the guest than it may have, or one"),
        Lie("number-in-use", Memory + "more calls of the guest than it may have, or one"),
        Lie("more-messages", Memory + "more messages than a guest has credit for"),
        Lie("two-ends", Memory + "two ends of one stream"),
        Lie("reply-that-goes-on", Memory + "a reply that goes on"),
        Lie("taken", Memory + "more taken of a stream"),
        Lie("taken-below-zero", Memory + "more taken of a stream"),
        Lie("message-length", Memory + "a message that is too long"),
        Lie("class-of-error", Memory + "a class of errors"),
        Lie("text-length", Memory + "a text that is too long"),
        Lie("state", Memory + "a heartbeat that is not one"),
        Lie("time", Memory + "a heartbeat that is not one"),
        Lie("round-trip", Memory + "a heartbeat that is not one"),
        Lie("files-on-control", Gone),
        Lie("files-on-bell", "open files, which a link does not take"),
        Lie("end", Gone),
        Lie("memory", Gone),
        Lie("silence", "that the worker has not looked at") with { IsSlow = true },
        Lie("read-beyond", Memory + "a reader's position") with { IsSlow = true },
        Lie("replies", null),
        Lie("replies-twice", null),
        Lie("figures", null),
        Lie("changes", null),
        Lie("calls-without-end", Memory + "more calls than a guest may make"),
        Lie("answers-that-are-not-read", null),
        Lie("heartbeats-without-end", Memory + "more events"),
        Lie("links-without-end", Memory + "more events"),
        Lie("sessions-without-end", Memory + "more events"),
        Lie("failures-without-end", Memory + "more events"),
        Lie("faults-without-end", Memory + "more events"),
        Lie("rings-without-end", null),
        Lie("requests-without-end", null),
    ];

    private static Attack Lie(string name, string? ends) => new($"worker-{name}", (folder, met) => Tell(folder, name, met)) { IsOfWorker = true, Ends = ends };

    /// <summary>The guest of each worker names the lie, and keeps its link.</summary>
    private static void Tell(string folder, string name, Action met)
    {
        var path = Path.Combine(folder, "guest.sock");
        File.Delete(path);
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen(64);
        var line = Encoding.ASCII.GetBytes(name + "\n");
        var links = new Queue<Socket>();
        while (true)
        {
            var link = listener.Accept();
            links.Enqueue(link);
            if (links.Count > 4)
            {
                links.Dequeue().Dispose();
            }

            try
            {
                link.Send(line);
                met();
            }
            catch (SocketException)
            {
                // That worker has gone already.
            }
        }
    }
}
