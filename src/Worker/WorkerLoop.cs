using ChannelSdk.Channels.Workers;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Memory;
using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Worker;

/// <summary>What the worker does once it is confined: it learns what it works for, and works until its control socket ends.</summary>
internal static class WorkerLoop
{
    /// <summary>Number of the descriptor of the memory that it shares with the host manager.</summary>
    private const int Memory = 4;

    /// <summary>Number of the descriptor of the socket by which the two wake each other.</summary>
    private const int Bell = 5;

    /// <summary>Numbers of the descriptors of the socket pair in which the worker of a device leaves what is QEMU's.</summary>
    private const int StoreWriting = 6;
    private const int StoreReading = 7;

    /// <summary>Exit code after a session that the host manager has ended, or its own end.</summary>
    private const int Done = 0;

    /// <summary>Exit code where the host manager says what this version does not know.</summary>
    private const int Refused = 4;

    /// <summary>Serves until the control socket ends, with which the worker ends.</summary>
    /// <param name="control">The socket whose other end the host manager has.</param>
    /// <returns>The exit code.</returns>
    public static int Run(SafeFd control)
    {
        var message = new byte[Math.Max(WorkerSetup.Size, LinkReply.MostBytes) + 1];
        var length = FileMessage.Receive(control, message, []);
        if (length == 0)
        {
            return Done;
        }

        var setup = WorkerSetup.Read(message.AsSpan(0, length));
        using var memory = SharedMemory.Map(new SafeFd(Memory), ChannelWorker.MemoryFor(setup.Options));
        var requests = new LinkRequests(control);
        ITransportEndpoint endpoint = setup.Kind switch
        {
            BrokeredKind.VsockDevice => new BrokeredDevice(requests, new DescriptorStore(new SafeFd(StoreWriting), new SafeFd(StoreReading))),
            BrokeredKind.Vchan => new BrokeredVchan(requests),
            _ => setup.Listens ? new ListeningBrokeredEndpoint(requests, setup.HasCandidates) : new BrokeredEndpoint(requests),
        };
        var bell = DescriptorLinks.Attach(new SafeFd(Bell), new PeerIdentity("worker", "supervisor"));
        var worker = new ChannelWorker(endpoint, setup.Options, ((System.Buffers.IMemoryOwner<byte>)memory).Memory, bell, setup.Resumes, new ReactorTime());
        var working = WorkAsync(worker, control);
        List<SafeFd> files;
        while ((length = FileMessage.Receive(control, message, files = [])) > 0)
        {
            if (LinkReply.Read(message.AsSpan(0, length)) is not { } reply)
            {
                return Refused;
            }

            requests.OnReply(reply, files);
        }

        working.GetAwaiter().GetResult();
        return Done;
    }

    private static async Task WorkAsync(ChannelWorker worker, SafeFd control)
    {
        try
        {
            await using (worker.ConfigureAwait(false))
            {
                await worker.RunAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            // The main thread waits for what comes on it.
            _ = SocketCalls.Shutdown(control, Abi.SHUT_RDWR);
        }
    }
}
