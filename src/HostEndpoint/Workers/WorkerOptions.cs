using ChannelSdk.Host.Options;
using ChannelSdk.Linux.Processes;

namespace ChannelSdk.Host.Workers;

/// <summary>How the process of an instance is started in which the bytes of its guest are parsed, and what it may use.</summary>
public sealed record WorkerOptions
{
    private const long LeastMemory = 32L << 20;
    private const long MostMemory = 16L << 30;

    /// <summary>Path of <c>channel-worker</c>; null for the one beside this program.</summary>
    public string? Program { get; init; }

    /// <summary>Whom workers run as, each as another; null for this program's user. Where this program is not root it is not used.</summary>
    public UserRange? Users { get; init; } = UserRange.Workers;

    /// <summary>Bytes of memory that a worker may use: 32 MiB to 16 GiB, as a rule 64 MiB. A page of the guest's memory that a worker maps counts where it is touched first, so the control group of a vsock device's worker may have all of that besides.</summary>
    public long MemoryBytes { get; init; } = 64L << 20;

    /// <summary>Threads of a worker: 8 to 4096, as a rule 32.</summary>
    public int Tasks { get; init; } = 32;

    /// <summary>Time of processors in percent of one: 1 to 100,000, as a rule 100.</summary>
    public int CpuPercent { get; init; } = 100;

    /// <summary>Descriptors of a worker: 16 to 1024, as a rule 64.</summary>
    public int Descriptors { get; init; } = 64;

    /// <summary>How long a worker may take until it has told that it is confined: 100 ms to 10 min, as a rule 10 s.</summary>
    public TimeSpan StartTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// What must hold; a worker for which one of these does not is ended. As a rule what any Linux host gives to any user:
    /// <see cref="WorkerMeasure.NoNewPrivileges"/>, <see cref="WorkerMeasure.Undumpable"/>, <see cref="WorkerMeasure.ResourceLimits"/> and <see cref="WorkerMeasure.SystemCalls"/>.
    /// </summary>
    public IReadOnlyList<WorkerMeasure> Required { get; init; } = [WorkerMeasure.NoNewPrivileges, WorkerMeasure.Undumpable, WorkerMeasure.ResourceLimits, WorkerMeasure.SystemCalls];

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentException">One is not in its range; the text names it.</exception>
    internal WorkerOptions Validate()
    {
        OptionCheck.PathOrNull(Program);
        OptionCheck.Range(MemoryBytes, LeastMemory, MostMemory);
        OptionCheck.Range(Tasks, 8, 4096);
        OptionCheck.Range(CpuPercent, 1, 100_000);
        OptionCheck.Range(Descriptors, 16, 1024);
        OptionCheck.Range(StartTime, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(10));
        ArgumentNullException.ThrowIfNull(Required);
        foreach (var measure in Required)
        {
            OptionCheck.Defined(measure, nameof(Required));
        }

        return Users is not { IsValid: false } ? this : throw new ArgumentException($"{Users} is no range of users: 1 to 4294967293, the first not above the last", nameof(Users));
    }
}
