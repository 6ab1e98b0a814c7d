namespace ChannelSdk.Protocol.Text;

/// <summary>Finds the known name that a mistyped one most likely stands for.</summary>
public static class NearestName
{
    private const int MaxLength = 40;

    /// <summary>The known name with the fewest edits, or null if none is near enough to be worth suggesting.</summary>
    /// <param name="typed">What was typed; nothing is near to more than 40 characters.</param>
    /// <param name="known">The names.</param>
    public static string? Of(string typed, IEnumerable<string> known)
    {
        if (typed.Length > MaxLength)
        {
            return null;
        }

        string? best = null;
        var bestDistance = Math.Max(2, typed.Length / 3) + 1;
        foreach (var candidate in known)
        {
            // A beginning of a name counts as one edit: "heartbeat" means heartbeat_interval.
            var distance = typed.Length >= 3 && candidate.StartsWith(typed, StringComparison.OrdinalIgnoreCase)
                ? 1 : Distance(typed, candidate);
            if (distance < bestDistance)
            {
                (best, bestDistance) = (candidate, distance);
            }
        }

        return best;
    }

    // Levenshtein distance with one row; dashes equal underscores and case does not count.
    private static int Distance(string a, string b)
    {
        var row = new int[b.Length + 1];
        for (var j = 0; j <= b.Length; j++)
        {
            row[j] = j;
        }

        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var substitute = diagonal + (Fold(a[i - 1]) == Fold(b[j - 1]) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substitute, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[b.Length];
    }

    private static char Fold(char c) => c == '-' ? '_' : char.ToLowerInvariant(c);
}
