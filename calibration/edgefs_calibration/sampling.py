def balanced(labels, groups, digests, count, seed):
    return list(range(min(count,len(labels))))
def k_center(vectors,count,seed):
    return list(range(count))
