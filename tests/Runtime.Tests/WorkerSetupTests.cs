using ChannelSdk.Channels;
using ChannelSdk.Channels.Workers;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Runtime.Tests;

/// <summary>What a supervisor tells a worker and is told by it, as bytes.</summary>
public class WorkerSetupTests
{
    private static readonly string[] s_ofTheSupervisorAlone = [nameof(ChannelOptions.InlineCompletions), nameof(ChannelOptions.Guard), nameof(ChannelOptions.Observer), nameof(ChannelOptions.EventBacklog), nameof(ChannelOptions.ForGuest)];

    [Fact]
    public void Each_bound_and_time_of_a_channel_reaches_the_worker()
    {
        var options = new ChannelOptions
        {
            MaxMessage = 2 << 20,
            AssemblyBytes = 5 << 20,
            RetryMin = TimeSpan.FromMilliseconds(70),
            RetryMax = TimeSpan.FromMilliseconds(700),
            CandidateTime = TimeSpan.FromSeconds(3),
            ReceiveBufferMin = 2 << 10,
            ReceiveBufferMax = 300 << 10,
            Session = new SessionOptions
            {
                MaxFrame = 5000,
                ReplayBytes = 2 << 20,
                OutputBatch = 30_000,
                StreamWindow = new(5000, 6000, 7000),
                MaxStreams = new(3, 4, 5),
                SessionWindow = 9 << 20,
                HeartbeatInterval = TimeSpan.FromMilliseconds(500),
                LivenessTimeout = TimeSpan.FromSeconds(7),
                AckBytes = 9999,
                AckDelay = TimeSpan.FromMilliseconds(11),
                HelloRetry = TimeSpan.FromMilliseconds(111),
                HelloRetryMax = TimeSpan.FromMilliseconds(1111),
                HandshakeTimeout = TimeSpan.FromSeconds(13),
                MaxBytesBeforeHello = 1 << 20,
                StallProbe = TimeSpan.FromMilliseconds(123),
                WipeMemory = true,
                ResumeTimeout = TimeSpan.FromSeconds(17),
                TotalLimit = new RateLimit(1, 2, 3, 4, 5, 6),
                ControlLimit = null,
                RpcLimit = new RateLimit(StreamsPerSecond: 7),
                BulkLimit = new RateLimit(BytesPerSecond: 8),
            },
        };
        var read = WorkerSetup.Read(new WorkerSetup(options, Listens: true, HasCandidates: false, Resumes: true) { Kind = BrokeredKind.Vchan }.ToBytes());
        Assert.Equal((true, false, true, BrokeredKind.Vchan), (read.Listens, read.HasCandidates, read.Resumes, read.Kind));
        // An option that is new is in neither until it is written here.
        AssertAllDiffer(options.Session, new SessionOptions { ControlLimit = new RateLimit() });
        AssertAllDiffer(options with { Session = null! }, new ChannelOptions());
        Assert.Equal(options.Session, read.Options.Session);
        Assert.Equal(options with { Session = null! }, read.Options with { Session = null! });
    }

    [Fact]
    public void A_worker_of_another_version_refuses_what_it_is_told()
    {
        var bytes = new WorkerSetup(new ChannelOptions(), false, false, false).ToBytes();
        Assert.Equal(ChannelError.BadConfiguration, Assert.Throws<ChannelException>(() => WorkerSetup.Read(bytes.AsSpan(1))).Code);
        bytes[0]++;
        Assert.Equal(ChannelError.BadConfiguration, Assert.Throws<ChannelException>(() => WorkerSetup.Read(bytes)).Code);
        bytes[0]--;
        // Largest message.
        bytes.AsSpan(40, 8).Fill(0xFF);
        Assert.Contains(nameof(ChannelOptions.MaxMessage), Assert.Throws<ChannelException>(() => WorkerSetup.Read(bytes)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Why_there_is_no_link_reaches_the_worker()
    {
        var error = new ChannelException(ChannelError.EndpointMissing, ErrorClass.Retry, "there is no socket");
        var read = LinkReply.Read(new LinkReply(error, false).ToBytes())!.Error!;
        Assert.Equal((error.Code, error.Class, error.Message), (read.Code, read.Class, read.Message));
        Assert.True(LinkReply.Read(new LinkReply(null, true).ToBytes())!.EndsBothWays);
        Assert.Equal("a device", System.Text.Encoding.ASCII.GetString(LinkReply.Read(new LinkReply(null, false) { Description = "a device"u8.ToArray() }.ToBytes())!.Description.Span));
        Assert.Null(LinkReply.Read([1, 2, 3]));
        Assert.Null(LinkReply.Read(new byte[LinkReply.MostBytes + 1]));
    }

    private static void AssertAllDiffer(object options, object defaults)
    {
        foreach (var property in options.GetType().GetProperties().Where(p => !s_ofTheSupervisorAlone.Contains(p.Name)))
        {
            Assert.False(Equals(property.GetValue(options), property.GetValue(defaults)), $"{property.Name} is not tested");
        }
    }
}
