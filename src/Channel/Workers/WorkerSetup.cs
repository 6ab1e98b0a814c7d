using System.Buffers.Binary;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Channels.Workers;

/// <summary>
/// What a supervisor tells a worker first: the bounds and times of its channel, and how its endpoint gives links. Numbers of 64 bits in a
/// fixed order, the version of the order first; a worker is of the same build as its supervisor, and refuses any other version.
/// </summary>
/// <param name="Options">Bounds and times.</param>
/// <param name="HasCandidates">Whether links may come while another is up, each with a handshake of its peer's.</param>
/// <param name="Listens">Whether links come unasked.</param>
/// <param name="Resumes">Whether it goes on with what another worker has left.</param>
public sealed record WorkerSetup(ChannelOptions Options, bool Listens, bool HasCandidates, bool Resumes)
{
    private const long Order = 2;
    private const int Numbers = 64;

    /// <summary>What the worker is given when it asks for its next link.</summary>
    public BrokeredKind Kind { get; init; }

    /// <summary>Bytes of an encoded setup.</summary>
    public const int Size = Numbers * sizeof(long);

    /// <summary>Encodes it.</summary>
    public byte[] ToBytes()
    {
        var writer = new Writer(new byte[Size]);
        writer.Put(Order);
        writer.Put(Listens ? 1 : 0);
        writer.Put(HasCandidates ? 1 : 0);
        writer.Put(Resumes ? 1 : 0);
        writer.Put((long)Kind);
        var (options, session) = (Options, Options.Session);
        foreach (var number in (ReadOnlySpan<long>)[
            options.MaxMessage, options.AssemblyBytes, options.RetryMin.Ticks, options.RetryMax.Ticks, options.CandidateTime.Ticks,
            options.ReceiveBufferMin, options.ReceiveBufferMax, session.MaxFrame, session.ReplayBytes, session.OutputBatch,
            session.SessionWindow, session.HeartbeatInterval.Ticks, session.LivenessTimeout.Ticks, session.AckBytes, session.AckDelay.Ticks,
            session.HelloRetry.Ticks, session.HelloRetryMax.Ticks, session.HandshakeTimeout.Ticks, session.MaxBytesBeforeHello,
            session.StallProbe.Ticks, session.WipeMemory ? 1 : 0, session.ResumeTimeout.Ticks])
        {
            writer.Put(number);
        }

        writer.Put(session.StreamWindow);
        writer.Put(session.MaxStreams);
        writer.Put(session.TotalLimit);
        writer.Put(session.ControlLimit);
        writer.Put(session.RpcLimit);
        writer.Put(session.BulkLimit);
        return writer.Bytes;
    }

    /// <summary>Decodes it.</summary>
    /// <exception cref="ChannelException">It is not one of this version (<see cref="ChannelError.BadConfiguration"/>), or an option is out of range.</exception>
    public static WorkerSetup Read(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Size || BinaryPrimitives.ReadInt64LittleEndian(bytes) != Order)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"a setup of {bytes.Length} bytes that is not of this worker's version; install worker and library of one version");
        }

        var reader = new Reader(bytes[sizeof(long)..]);
        var (listens, hasCandidates, resumes, kind) = (reader.Flag(), reader.Flag(), reader.Flag(), (BrokeredKind)reader.Int());
        // In the order in which they were written: initializers run from the first to the last.
        var options = new ChannelOptions
        {
            MaxMessage = reader.Int(),
            AssemblyBytes = reader.Int(),
            RetryMin = reader.Time(),
            RetryMax = reader.Time(),
            CandidateTime = reader.Time(),
            ReceiveBufferMin = reader.Int(),
            ReceiveBufferMax = reader.Int(),
            Session = new SessionOptions
            {
                MaxFrame = reader.Int(),
                ReplayBytes = reader.Int(),
                OutputBatch = reader.Int(),
                SessionWindow = reader.Long(),
                HeartbeatInterval = reader.Time(),
                LivenessTimeout = reader.Time(),
                AckBytes = reader.Int(),
                AckDelay = reader.Time(),
                HelloRetry = reader.Time(),
                HelloRetryMax = reader.Time(),
                HandshakeTimeout = reader.Time(),
                MaxBytesBeforeHello = reader.Int(),
                StallProbe = reader.Time(),
                WipeMemory = reader.Flag(),
                ResumeTimeout = reader.Time(),
                StreamWindow = reader.Values(),
                MaxStreams = reader.Values(),
                TotalLimit = reader.Limit(),
                ControlLimit = reader.Limit(),
                RpcLimit = reader.Limit(),
                BulkLimit = reader.Limit(),
            },
        };
        options.Validate();
        return new WorkerSetup(options, listens, hasCandidates, resumes) { Kind = kind };
    }

    private struct Writer(byte[] bytes)
    {
        private int _at;

        public byte[] Bytes { get; } = bytes;

        public void Put(long number)
        {
            BinaryPrimitives.WriteInt64LittleEndian(Bytes.AsSpan(_at), number);
            _at += sizeof(long);
        }

        public void Put(StreamClassValues values)
        {
            Put(values.Control);
            Put(values.Rpc);
            Put(values.Bulk);
        }

        public void Put(RateLimit? limit)
        {
            // No limit at all is -1.
            ReadOnlySpan<long> numbers = limit is null
                ? [-1, 0, 0, 0, 0, 0]
                : [limit.BytesPerSecond, limit.BytesBurst, limit.MessagesPerSecond, limit.MessagesBurst, limit.StreamsPerSecond, limit.StreamsBurst];
            foreach (var number in numbers)
            {
                Put(number);
            }
        }
    }

    private ref struct Reader(ReadOnlySpan<byte> bytes)
    {
        private ReadOnlySpan<byte> _rest = bytes;

        public long Long()
        {
            var number = BinaryPrimitives.ReadInt64LittleEndian(_rest);
            _rest = _rest[sizeof(long)..];
            return number;
        }

        public int Int() => (int)Math.Clamp(Long(), int.MinValue, int.MaxValue);

        public bool Flag() => Long() != 0;

        public TimeSpan Time() => new(Long());

        public StreamClassValues Values() => new(Int(), Int(), Int());

        public RateLimit? Limit()
        {
            Span<long> numbers = stackalloc long[6];
            foreach (ref var number in numbers)
            {
                number = Long();
            }

            return numbers[0] < 0 ? null : new RateLimit(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]);
        }
    }
}
